import { useEffect, useId, useState, type ReactElement, type ReactNode, cloneElement } from "react";
import { fileOf, ServerError, type Variant, type Video } from "./api";
import { useWords } from "./words";

/** A control with its name above it. */
export function Field(props: { name: string; children: ReactElement<{ id?: string }>; wide?: boolean }) {
  const id = useId();
  return (
    <div className={props.wide ? "field wide" : "field"}>
      <label htmlFor={id}>{props.name}</label>
      {cloneElement(props.children, { id })}
    </div>
  );
}

/** A number, or undefined while the field is empty. */
export function NumberInput(props: {
  id?: string;
  value: number | undefined;
  onChange: (value: number | undefined) => void;
  min: number;
  max?: number;
  step?: number | "any";
  hint?: string;
}) {
  return (
    <input
      id={props.id}
      type="number"
      inputMode="decimal"
      min={props.min}
      max={props.max}
      step={props.step ?? 1}
      required={props.hint === undefined}
      placeholder={props.hint}
      value={props.value ?? ""}
      onChange={(event) => props.onChange(event.target.value === "" ? undefined : Number(event.target.value))}
    />
  );
}

/** A few choices side by side, of which one holds: radio buttons that look like one control. */
export function Choice<Name extends string>(props: {
  name: string;
  value: Name;
  options: readonly { value: Name; label: string }[];
  onChange: (value: Name) => void;
  className?: string;
}) {
  const group = useId();
  return (
    <fieldset className={props.className ?? "choice"}>
      <legend className="hidden">{props.name}</legend>
      {props.options.map(({ value, label }) => (
        <label key={value}>
          <input type="radio" name={group} checked={value === props.value} onChange={() => props.onChange(value)} />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** What went wrong, in the words of the server. */
export function Problem({ error }: { error: unknown }) {
  const words = useWords();
  if (!error) return null;
  const text = error instanceof ServerError && error.status === 0 ? words.silent : (error as Error).message;
  return (
    <p role="alert" className="problem">
      {text}
    </p>
  );
}

/** The address of a file of a video, once it is here; none for a video that is not made. */
export function useFile(video: Video | undefined, variant: Variant): string | undefined {
  const id = video?.status === "completed" ? video.id : undefined;
  const [found, setFound] = useState<{ id: string; url: string }>();
  useEffect(() => {
    let wanted = true;
    if (id)
      fileOf(id, variant).then(
        (url) => wanted && setFound({ id, url }),
        () => {},
      );
    return () => {
      wanted = false;
    };
  }, [id, variant]);
  return found && found.id === id ? found.url : undefined;
}

export function sides(size: string): [number, number] {
  const [width, height] = size.split("x").map(Number);
  return [width, height];
}

/** A thumbnail of a video in its shape. */
export function Still({ video, children }: { video: Video; children?: ReactNode }) {
  const url = useFile(video, "thumbnail");
  const [width, height] = sides(video.size);
  return (
    <span className="still" style={{ aspectRatio: `${width} / ${height}` }}>
      {url && <img src={url} alt="" draggable={false} />}
      {children}
    </span>
  );
}

/** Frames side by side, one picture, shown one after the other. */
export function Strip({ url, size }: { url: string; size: string }) {
  const [frames, setFrames] = useState(1);
  const [frame, setFrame] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setFrame((old) => old + 1), 220);
    return () => clearInterval(timer);
  }, []);
  const [width, height] = sides(size);
  return (
    <img
      className="strip"
      src={url}
      alt=""
      style={{ width: `${frames * 100}%`, transform: `translateX(${(-100 * (frame % frames)) / frames}%)` }}
      onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) =>
        setFrames(Math.max(1, Math.round(((naturalWidth / naturalHeight) * height) / width)))
      }
    />
  );
}

/** How far a video is, in words. */
export function useProgress(video: Video): string {
  const words = useWords();
  if (video.status === "failed") return words.failed;
  if (video.status === "completed") return "";
  if (video.status === "queued") return words.waits(video.queue_position ?? 0);
  const left = video.seconds_left === null ? [] : [words.left(video.seconds_left)];
  return [words.makes(video.progress), ...left].join(" · ");
}

/** How long a video is, and what made it where that was not words alone. */
export function useKind(video: Video): string {
  const words = useWords();
  const made = { extensions: "extend", edits: "restyle", remix: "restyle" }[video.operation] ?? video.operation;
  const others: Record<string, string> = {
    storyboard: words.views.storyboard,
    simulate: words.views.play,
    uploads: words.own,
  };
  const name = others[made] ?? words.tools[made as keyof typeof words.tools];
  return [words.length(video.seconds), name].filter(Boolean).join(" · ");
}

/** Run what may fail: whether it runs, and what went wrong the last time. */
export function useAttempt() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const attempt = async (what: () => Promise<unknown>) => {
    setBusy(true);
    setError(null);
    try {
      await what();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, attempt };
}
