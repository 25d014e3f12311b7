import { useState } from "react";
import { cancel, type Video } from "./api";
import { sides, Still, Strip, useFile, useKind, useProgress } from "./pieces";
import { isFinished } from "./videos";
import { useWords } from "./words";

export const DRAGGED = "application/x-patchworld-video";

interface Handlers {
  onOpen: (video: Video) => void;
  onConnect: (first: string, second: string) => void;
  onCancelled: (video: Video) => void;
}

/** Videos in rows of one height, each in its own shape. */
export function Gallery(props: Handlers & { videos: Video[]; previews: Record<string, string>; selected?: string }) {
  const { videos, previews, selected, ...handlers } = props;
  return (
    <ul className="gallery">
      {videos.map((video) => (
        <Card
          key={video.id}
          video={video}
          preview={previews[video.id]}
          selected={video.id === selected}
          {...handlers}
        />
      ))}
    </ul>
  );
}

function Card(props: Handlers & { video: Video; preview?: string; selected: boolean }) {
  const words = useWords();
  const { video, preview } = props;
  const progress = useProgress(video),
    kind = useKind(video);
  const [near, setNear] = useState(false); // the pointer or the focus
  const [over, setOver] = useState(false); // another video is held over this one
  const done = video.status === "completed";
  const [width, height] = sides(video.size);
  const prompt = video.prompt || words.noPrompt;

  return (
    <li
      className={`card ${video.status} ${over ? "over" : ""}`}
      style={{ "--aspect": width / height } as React.CSSProperties}
      draggable={done}
      onDragStart={(event) => event.dataTransfer.setData(DRAGGED, video.id)}
      onDragOver={(event) => {
        if (!done || !event.dataTransfer.types.includes(DRAGGED)) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        setOver(false);
        const first = event.dataTransfer.getData(DRAGGED);
        if (first && first !== video.id) props.onConnect(first, video.id);
      }}
    >
      <button
        className="open"
        data-id={video.id}
        aria-label={[words.open(prompt), progress].filter(Boolean).join(". ")}
        aria-pressed={props.selected}
        onClick={() => props.onOpen(video)}
        onPointerEnter={() => setNear(true)}
        onPointerLeave={() => setNear(false)}
        onFocus={() => setNear(true)}
        onBlur={() => setNear(false)}
      >
        <Still video={video}>
          {preview && !done && <Strip url={preview} size={video.size} />}
          {done && near && <Moving video={video} />}
          {over && <span className="hint">{words.dropHint}</span>}
          {!isFinished(video) && <Bar percent={video.progress} />}
        </Still>
        <span className="caption" title={prompt}>
          {prompt}
        </span>
        <span className="soft">
          {progress || kind}
          {video.error && `: ${video.error.message}`}
        </span>
      </button>
      {!isFinished(video) && (
        <button
          className="stop"
          aria-label={`${words.cancel}: ${prompt}`}
          title={words.cancel}
          onClick={() => cancel(video.id).then(props.onCancelled, () => {})}
        >
          ✕
        </button>
      )}
    </li>
  );
}

function Moving({ video }: { video: Video }) {
  const url = useFile(video, "video");
  return url ? <video src={url} muted loop autoPlay playsInline /> : null;
}

export function Bar({ percent }: { percent: number }) {
  return (
    <span className="bar">
      <span style={{ width: `${percent}%` }} />
    </span>
  );
}
