import { useEffect, useState } from "react";
import type { Model, Video } from "./api";
import type { Make } from "./Composer";
import { Choice, Field, NumberInput, Problem, sides, Still, useAttempt } from "./pieces";
import { RetakeLine, type Span } from "./Retake";
import { useWords } from "./words";

export const TOOLS = ["extend", "loop", "connect", "blend", "retake", "inpaint", "outpaint", "restyle"] as const;
export type Tool = (typeof TOOLS)[number];

/** How the second video of a blend comes in: [time, its share], joined by lines. */
const CURVES = [
  [
    [0, 0],
    [1, 1],
  ],
  [
    [0, 0],
    [0.5, 0.2],
    [1, 1],
  ],
  [
    [0, 0],
    [0.5, 0.8],
    [1, 1],
  ],
  [
    [0, 0],
    [0.4, 0],
    [0.6, 1],
    [1, 1],
  ],
];

/** What the chosen tool asks for, and the button that makes it. children: the controls of the brush. */
export function ToolForm(props: {
  video: Video;
  others: Video[];
  model?: Model;
  tool: Tool;
  second?: string;
  onMake: Make;
  mask: () => string | undefined;
  player: React.RefObject<HTMLVideoElement | null>;
  children: React.ReactNode;
}) {
  const words = useWords();
  const { video, model, tool } = props;
  const length = Number(video.seconds);
  const fps = model?.fps ?? 8;
  const named = video.operation === "uploads"; // by its file, which says nothing of what is seen
  const [prompt, setPrompt] = useState(named ? "" : (video.prompt ?? ""));
  const [seconds, setSeconds] = useState<number | undefined>(2);
  const [backward, setBackward] = useState(false);
  const [second, setSecond] = useState(props.second ?? "");
  const [swapped, setSwapped] = useState(false);
  const [overlap, setOverlap] = useState<number>();
  const [span, setSpan] = useState<Span>(
    [length / 4, (3 * length) / 4].map((at) => Math.round(at * fps) / fps) as Span,
  );
  const [shape, setShape] = useState("1792x768");
  const [place, setPlace] = useState(4);
  const [curve, setCurve] = useState(0);
  const [strength, setStrength] = useState(0.6);
  const [restyled, setRestyled] = useState(0.9);
  const { busy, error, attempt } = useAttempt();
  useEffect(() => {
    if (props.second) setSecond(props.second);
  }, [props.second]);

  const self = { id: video.id };
  const pair = () => {
    const [first, then] = swapped ? [{ id: second }, self] : [self, { id: second }];
    return { first, second: then };
  };
  const wide = widened(video.size, shape);
  const asked: Record<Tool, () => [operation: string, body: object]> = {
    extend: () => ["extensions", { video: self, seconds, backward }],
    loop: () => ["loop", { video: self, seconds }],
    connect: () => ["connect", { ...pair(), seconds }],
    blend: () => ["blend", { ...pair(), seconds: overlap, strength, curve: CURVES[curve] }],
    retake: () => ["retake", { video: self, start: span[0], end: span[1] }],
    inpaint: () => ["inpaint", { video: self, mask: { image_url: painted() } }],
    outpaint: () => ["outpaint", { video: self, size: wide, place: [(place % 3) / 2, Math.floor(place / 3) / 2] }],
    restyle: () => ["restyle", { video: self, strength: restyled, seed: video.seed }],
  };
  const painted = () => {
    const mask = props.mask();
    if (!mask) throw new Error(words.nothingPainted);
    return mask;
  };
  const showAt = ([start, end]: Span) => {
    const changed = start !== span[0] ? start : end - 1 / fps;
    if (props.player.current) {
      props.player.current.pause();
      props.player.current.currentTime = changed;
    }
    setSpan([start, end]);
  };
  const time = (
    <Field name={tool === "extend" ? words.seconds : words.wayBetween}>
      <NumberInput value={seconds} onChange={setSeconds} min={0} max={model?.seconds} step="any" />
    </Field>
  );
  const freedom = (
    <Field name={words.freedom} wide>
      <Freedom
        {...(tool === "restyle"
          ? { value: restyled, onChange: setRestyled }
          : { value: strength, onChange: setStrength })}
      />
    </Field>
  );
  const other = props.others.length ? (
    <fieldset className="others">
      <legend>{words.choose}</legend>
      {props.others.map((one) => (
        <label key={one.id} title={one.prompt ?? ""}>
          <input
            type="radio"
            name="second"
            required
            aria-label={one.prompt || words.noPrompt}
            checked={one.id === second}
            onChange={() => setSecond(one.id)}
          />
          <Still video={one} />
        </label>
      ))}
    </fieldset>
  ) : (
    <p className="soft">{words.chooseNone}</p>
  );
  const order = (
    <label className="inline">
      <input type="checkbox" checked={swapped} onChange={(event) => setSwapped(event.target.checked)} />
      {words.swap}
    </label>
  );
  const controls: Record<Tool, React.ReactNode> = {
    extend: (
      <div className="row">
        <Choice
          name={words.direction}
          value={backward ? "before" : "after"}
          options={(["after", "before"] as const).map((value) => ({ value, label: words[value] }))}
          onChange={(value) => setBackward(value === "before")}
        />
        {time}
      </div>
    ),
    loop: <div className="row">{time}</div>,
    connect: (
      <>
        {other}
        <div className="row">
          {time}
          {order}
        </div>
      </>
    ),
    blend: (
      <>
        {other}
        <div className="row">
          <Field name={words.overlap}>
            <NumberInput value={overlap} onChange={setOverlap} min={0} step="any" hint={words.all} />
          </Field>
          <Field name={words.curve}>
            <select value={curve} onChange={(event) => setCurve(Number(event.target.value))}>
              {words.curves.map((name, number) => (
                <option key={name} value={number}>
                  {name}
                </option>
              ))}
            </select>
          </Field>
          {freedom}
          {order}
        </div>
      </>
    ),
    retake: <RetakeLine video={video} fps={fps} span={span} onSpan={showAt} />,
    inpaint: props.children,
    outpaint: (
      <div className="row">
        <Field name={words.shape}>
          <select value={shape} onChange={(event) => setShape(event.target.value)}>
            {Object.keys(model?.sizes ?? {}).map((size) => (
              <option key={size} value={size}>
                {words.shapes[size] ?? size}
              </option>
            ))}
          </select>
        </Field>
        <Place video={video} size={wide} place={place} onPlace={setPlace} />
      </div>
    ),
    restyle: freedom,
  };

  return (
    <form
      className="tool"
      onSubmit={(event) => {
        event.preventDefault();
        attempt(async () => {
          const [operation, body] = asked[tool]();
          await props.onMake(operation, [{ prompt, ...body }]);
        });
      }}
    >
      <p className="soft">{words.about[tool]}</p>
      {controls[tool]}
      <div className="row">
        <Field name={words.words} wide>
          <textarea
            rows={2}
            required={tool === "restyle"}
            value={prompt}
            onChange={(event) => setPrompt(event.target.value)}
          />
        </Field>
        <button className="main" disabled={busy}>
          {busy ? words.sending : words.tools[tool]}
        </button>
      </div>
      <Problem error={error} />
    </form>
  );
}

function Freedom(props: { id?: string; value: number; onChange: (value: number) => void }) {
  const words = useWords();
  return (
    <span className="freedom">
      <input
        id={props.id}
        type="range"
        min={0}
        max={1}
        step={0.05}
        value={props.value}
        onChange={(event) => props.onChange(Number(event.target.value))}
      />
      <span className="soft">{words.hardly}</span>
      <output className="soft">{Math.round(100 * props.value)} %</output>
      <span className="soft">{words.everything}</span>
    </span>
  );
}

/** Where the video lies in the larger picture: nine radio buttons over a small drawing of it. */
function Place(props: { video: Video; size: string; place: number; onPlace: (place: number) => void }) {
  const words = useWords();
  const { place } = props;
  const [full, tall] = sides(props.size);
  const [width, height] = sides(props.video.size);
  const [x, y] = [place % 3, Math.floor(place / 3)];
  return (
    <fieldset
      className="place"
      style={{ aspectRatio: `${full} / ${tall}`, "--aspect": full / tall } as React.CSSProperties}
    >
      <legend className="hidden">{words.place}</legend>
      <span
        className="inner"
        style={{
          width: `${(100 * width) / full}%`,
          left: `${(50 * x * (full - width)) / full}%`,
          top: `${(50 * y * (tall - height)) / tall}%`,
        }}
      >
        <Still video={props.video} />
      </span>
      {words.places.map((name, at) => (
        <input
          key={name}
          type="radio"
          name="place"
          aria-label={name}
          checked={at === place}
          onChange={() => props.onPlace(at)}
        />
      ))}
    </fieldset>
  );
}

/** The smallest size of this shape that holds the video; half as much again where the video has that shape. */
function widened(size: string, shape: string): string {
  const [width, height] = sides(size);
  const [across, down] = sides(shape);
  const aspect = across / down;
  let larger = aspect > width / height ? [height * aspect, height] : [width, width / aspect];
  if (Math.abs(Math.log((aspect * height) / width)) < 0.1) larger = [1.5 * width, 1.5 * height];
  return larger.map((side) => Math.ceil(side / 16) * 16).join("x");
}
