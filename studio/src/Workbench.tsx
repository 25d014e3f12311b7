import { useEffect, useRef, useState } from "react";
import { cancel, remove, type Model, type Video } from "./api";
import { BrushControls, Drawing, maskOf, type Stroke } from "./Brush";
import type { Make } from "./Composer";
import { Bar } from "./Gallery";
import { Choice, Problem, sides, Strip, useAttempt, useFile, useKind, useProgress } from "./pieces";
import { ToolForm, TOOLS, type Tool } from "./ToolForm";
import { isFinished } from "./videos";
import { useWords } from "./words";

/** A video, and all that can be made of it. second: the video that another was dragged onto. */
export function Workbench(props: {
  video: Video;
  others: Video[];
  model?: Model;
  preview?: string;
  tool: Tool;
  second?: string;
  onTool: (tool: Tool) => void;
  onMake: Make;
  onReuse: (video: Video) => void;
  onCancelled: (video: Video) => void;
  onRemoved: (id: string) => void;
  onClose: () => void;
}) {
  const words = useWords();
  const { video, tool } = props;
  const heading = useRef<HTMLHeadingElement>(null);
  const player = useRef<HTMLVideoElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [brush, setBrush] = useState<Stroke>({ radius: 0.1, erase: false });
  const url = useFile(video, "video");
  const progress = useProgress(video),
    kind = useKind(video);
  const [width, height] = sides(video.size);
  const painting = tool === "inpaint" && video.status === "completed";
  useEffect(() => heading.current?.focus(), [video.id]);
  useEffect(() => {
    if (painting) player.current?.pause();
  }, [painting, url]);

  return (
    <section
      className="workbench sheet"
      aria-labelledby="opened"
      onKeyDown={(event) => event.key === "Escape" && props.onClose()}
    >
      <header>
        <h2 id="opened" ref={heading} tabIndex={-1}>
          {video.prompt || words.noPrompt}
        </h2>
        <button className="quiet" aria-label={words.close} onClick={props.onClose}>
          ✕
        </button>
      </header>
      <div
        className="player"
        style={{ aspectRatio: `${width} / ${height}`, "--aspect": width / height } as React.CSSProperties}
      >
        {url ? (
          <video
            ref={player}
            src={url}
            controls={!painting}
            loop
            muted
            autoPlay={!painting}
            playsInline
            aria-label={video.prompt ?? ""}
          />
        ) : (
          props.preview && <Strip url={props.preview} size={video.size} />
        )}
        {painting && <Drawing key={video.id} size={video.size} brush={brush} canvas={canvas} />}
        {!isFinished(video) && <Bar percent={video.progress} />}
      </div>
      {progress && <p className="soft">{progress}</p>}
      {video.error && <Problem error={new Error(video.error.message)} />}
      <p className="soft">
        {[kind, video.size.replace("x", " × "), video.operation !== "uploads" && words.seeded(video.seed)]
          .filter(Boolean)
          .join(" · ")}
        {video.fitted_from && (
          <>
            <br />
            {words.fitted(video.fitted_from)}
          </>
        )}
        {video.notes.map((note) => (
          <span key={note}>
            <br />
            {note}
          </span>
        ))}
      </p>
      <Deeds {...props} url={url} />
      {video.status === "completed" && (
        <>
          <Choice
            className="choice tools"
            name={words.tool}
            value={tool}
            options={TOOLS.map((value) => ({ value, label: words.tools[value] }))}
            onChange={props.onTool}
          />
          <ToolForm key={video.id} {...props} mask={() => maskOf(canvas.current!, video.size)} player={player}>
            <BrushControls brush={brush} onBrush={setBrush} canvas={canvas} />
          </ToolForm>
        </>
      )}
    </section>
  );
}

/** What can be done with the video as it is. */
function Deeds(props: {
  video: Video;
  url?: string;
  onReuse: (video: Video) => void;
  onCancelled: (video: Video) => void;
  onRemoved: (id: string) => void;
}) {
  const words = useWords();
  const { video } = props;
  const [sure, setSure] = useState(false);
  const { error, attempt } = useAttempt();
  useEffect(() => setSure(false), [video.id]);
  return (
    <>
      <div className="row tight">
        {props.url && (
          <a className="button" href={props.url} download={`${video.id}.mp4`}>
            {words.download}
          </a>
        )}
        <button onClick={() => props.onReuse(video)}>{words.reuse}</button>
        {!isFinished(video) && (
          <button onClick={() => attempt(() => cancel(video.id).then(props.onCancelled))}>{words.cancel}</button>
        )}
        {isFinished(video) && (
          <button
            className={sure ? "danger" : ""}
            onBlur={() => setSure(false)}
            onClick={() =>
              sure ? attempt(() => remove(video.id).then(() => props.onRemoved(video.id))) : setSure(true)
            }
          >
            {sure ? words.reallyRemove : words.remove}
          </button>
        )}
      </div>
      <Problem error={error} />
    </>
  );
}
