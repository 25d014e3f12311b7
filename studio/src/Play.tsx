import { useEffect, useRef, useState } from "react";
import { play, type Model } from "./api";
import type { Make } from "./Composer";
import { Field, Problem, useAttempt } from "./pieces";
import { useWords } from "./words";

const REST = "none";
const KEYS: Record<string, string> = {
  ArrowLeft: "push left",
  ArrowRight: "push right",
  ArrowUp: "push away",
  ArrowDown: "push towards",
  " ": "jump",
};
const SIGNS: Record<string, string> = {
  "push left": "←",
  "push right": "→",
  "push away": "↑",
  "push towards": "↓",
};
const SIZES = ["64x64", "96x96", "128x128", "160x96"];

/** What was played. changes: from which frame on something is done. */
interface Played {
  prompt: string;
  size: string;
  seed: number;
  frames: number;
  changes: { frame: number; action: string }[];
}

/** What makes it again, as POST /simulate takes it: the action of each frame after the first. */
function again({ prompt, size, seed, frames, changes }: Played) {
  const during = (frame: number) => changes.findLast((change) => change.frame <= frame)?.action ?? REST;
  return { prompt, size, seed, actions: Array.from({ length: frames - 1 }, (_, n) => during(n + 1)) };
}

/** A live world that is steered with the arrow keys, or with buttons that are held. */
export function Play({ model, onMake }: { model?: Model; onMake: Make }) {
  const words = useWords();
  const [prompt, setPrompt] = useState("");
  const [size, setSize] = useState(SIZES[0]);
  const [state, setState] = useState<"idle" | "starting" | "live" | "over">("idle");
  const [picture, setPicture] = useState<string>();
  const [error, setError] = useState<unknown>(null);
  const [held, setHeld] = useState(REST);
  const socket = useRef<WebSocket>(undefined);
  const played = useRef<Played>(undefined);
  const keeping = useAttempt();
  const stage = useRef<HTMLDivElement>(null);
  const actions = model?.actions.filter((action) => action !== REST) ?? [];
  const running = state === "starting" || state === "live";

  useEffect(() => () => socket.current?.close(), []);
  useEffect(() => () => URL.revokeObjectURL(picture ?? ""), [picture]);

  const begin = () => {
    setError(null);
    setState("starting");
    const world = play({ prompt, size });
    const mine: Played = { prompt, size, seed: 0, frames: 0, changes: [] };
    socket.current = world;
    played.current = mine;
    world.onmessage = ({ data }) => {
      if (data instanceof Blob) {
        mine.frames++;
        setPicture(URL.createObjectURL(data));
        return;
      }
      const told = JSON.parse(data);
      if (told.error) setError(new Error(told.error.message));
      else if (told.action !== undefined) mine.changes.push(told);
      else {
        mine.seed = told.seed;
        setState("live");
        stage.current?.focus();
      }
    };
    world.onclose = () => {
      setState("over");
      setHeld(REST);
    };
  };
  const end = () => {
    if (socket.current?.readyState === WebSocket.OPEN) socket.current.send(JSON.stringify({ end: true }));
    socket.current?.close();
  };
  const hold = (action: string) => {
    if (action === held || state !== "live" || !model?.actions.includes(action)) return;
    setHeld(action);
    socket.current?.send(JSON.stringify({ action }));
  };
  const release = (action: string) => action === held && hold(REST);

  return (
    <form
      className="sheet"
      onSubmit={(event) => {
        event.preventDefault();
        begin();
      }}
    >
      <p className="soft">{model && !actions.length ? words.cannotPlay : words.playHint}</p>
      <div className="row">
        <Field name={words.words} wide>
          <input value={prompt} placeholder={words.promptHint} onChange={(event) => setPrompt(event.target.value)} />
        </Field>
        <Field name={words.shape}>
          <select value={size} onChange={(event) => setSize(event.target.value)}>
            {SIZES.map((one) => (
              <option key={one} value={one}>
                {one.replace("x", " × ")}
              </option>
            ))}
          </select>
        </Field>
        {running ? (
          <button type="button" className="main" onClick={end}>
            {words.end}
          </button>
        ) : (
          <button className="main" disabled={!actions.length}>
            {state === "over" ? words.again : words.start}
          </button>
        )}
        {state === "over" && played.current!.frames > 1 && (
          <button
            type="button"
            disabled={keeping.busy}
            onClick={() => keeping.attempt(() => onMake("simulate", [again(played.current!)]))}
          >
            {words.keep}
          </button>
        )}
      </div>
      {state !== "idle" && (
        <div className="world">
          <div
            ref={stage}
            className="stage"
            tabIndex={0}
            role="application"
            aria-label={words.stage}
            style={{ aspectRatio: size.replace("x", " / ") }}
            onBlur={() => hold(REST)}
            onKeyDown={(event) => {
              if (event.key === "Escape") end();
              const action = KEYS[event.key];
              if (!action) return;
              event.preventDefault();
              hold(action);
            }}
            onKeyUp={(event) => release(KEYS[event.key])}
          >
            {picture && <img src={picture} alt="" />}
            {state !== "live" && <p role="status">{state === "starting" ? words.starting : words.over}</p>}
          </div>
          <div className="pad">
            {actions.map((action) => (
              <button
                key={action}
                type="button"
                className={action.replace(" ", "-")}
                aria-label={words.actions[action] ?? action}
                aria-pressed={action === held}
                disabled={state !== "live"}
                onPointerDown={(event) => {
                  event.currentTarget.setPointerCapture(event.pointerId);
                  hold(action);
                }}
                onPointerUp={() => release(action)}
                onPointerCancel={() => release(action)}
                onKeyDown={(event) => (event.key === "Enter" || event.key === " ") && hold(action)}
                onKeyUp={() => release(action)}
                onContextMenu={(event) => event.preventDefault()}
              >
                {SIGNS[action] ?? words.actions[action] ?? action}
              </button>
            ))}
          </div>
        </div>
      )}
      <Problem error={error ?? keeping.error} />
    </form>
  );
}
