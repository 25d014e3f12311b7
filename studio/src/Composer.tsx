import { useState } from "react";
import type { Model } from "./api";
import { Field, NumberInput, Problem, useAttempt } from "./pieces";
import { useWords } from "./words";

/** What is written in the prompt box. image: a data: URL of the picture that the video begins with. */
export interface Draft {
  prompt: string;
  seed?: number;
  image?: string;
}

export type Make = (operation: string, bodies: object[]) => Promise<void>;

/** The prompt box. */
export function Composer(props: { model?: Model; draft: Draft; onDraft: (draft: Draft) => void; onMake: Make }) {
  const words = useWords();
  const { model, draft, onDraft } = props;
  const [size, setSize] = useState("1280x720");
  const [seconds, setSeconds] = useState<number | undefined>(4);
  const [variations, setVariations] = useState<number | undefined>(1);
  const [negative, setNegative] = useState("");
  const [steps, setSteps] = useState<number>();
  const [guidance, setGuidance] = useState<number | undefined>(3);
  const [circular, setCircular] = useState(false);
  const { busy, error, attempt } = useAttempt();

  const send = () =>
    attempt(() => {
      const { prompt, seed, image } = draft;
      const body = { prompt, size, seconds, negative, steps, guidance };
      const first = image && !circular && { input_reference: { image_url: image } };
      const bodies = Array.from({ length: variations ?? 1 }, (_, n) => ({
        ...body,
        ...first,
        seed: seed === undefined ? undefined : seed + n,
      }));
      return props.onMake(circular ? "loop" : "", bodies);
    });

  return (
    <form
      className="sheet"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label className="hidden" htmlFor="prompt">
        {words.prompt}
      </label>
      <textarea
        id="prompt"
        className="prompt"
        rows={2}
        required
        placeholder={words.promptHint}
        value={draft.prompt}
        onChange={(event) => onDraft({ ...draft, prompt: event.target.value })}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
            event.preventDefault();
            event.currentTarget.form!.requestSubmit();
          }
        }}
      />
      <div className="row">
        <SizeField model={model} size={size} onSize={setSize} />
        <Field name={words.seconds}>
          <NumberInput value={seconds} onChange={setSeconds} min={0} max={model?.seconds} step="any" />
        </Field>
        <Field name={words.variations}>
          <NumberInput value={variations} onChange={setVariations} min={1} max={8} />
        </Field>
        <Field name={words.seed}>
          <NumberInput
            value={draft.seed}
            onChange={(seed) => onDraft({ ...draft, seed })}
            min={0}
            hint={words.anySeed}
          />
        </Field>
        <button className="main" disabled={busy}>
          {busy ? words.sending : words.dream}
        </button>
      </div>
      <details>
        <summary>{words.more}</summary>
        <div className="row">
          <Field name={words.negative} wide>
            <input value={negative} onChange={(event) => setNegative(event.target.value)} />
          </Field>
          <Field name={words.steps}>
            <NumberInput value={steps} onChange={setSteps} min={1} max={model?.steps} hint={words.serverSteps} />
          </Field>
          <Field name={words.guidance}>
            <NumberInput value={guidance} onChange={setGuidance} min={0} max={100} step="any" />
          </Field>
          <label className="inline">
            <input type="checkbox" checked={circular} onChange={(event) => setCircular(event.target.checked)} />
            {words.circular}
          </label>
          <Field name={words.first} wide>
            <input
              type="file"
              accept="image/*"
              disabled={circular}
              onChange={async (event) => {
                const file = event.target.files?.[0];
                onDraft({ ...draft, image: file && (await dataUrl(file)) });
              }}
            />
          </Field>
        </div>
      </details>
      {draft.image && !circular && (
        <div className="row">
          <img className="first" src={draft.image} alt={words.first} />
          <button type="button" onClick={() => onDraft({ ...draft, image: undefined })}>
            {words.noPicture}
          </button>
        </div>
      )}
      <Problem error={error} />
    </form>
  );
}

/** Shapes, each with the size that this server makes of it. */
export function SizeField(props: { model?: Model; size: string; onSize: (size: string) => void }) {
  const words = useWords();
  const sizes = props.model?.sizes ?? { [props.size]: props.size };
  return (
    <Field name={words.shape}>
      <select value={props.size} onChange={(event) => props.onSize(event.target.value)}>
        {Object.entries(sizes).map(([asked, made]) => (
          <option key={asked} value={asked}>
            {words.shapes[asked] ?? asked} · {made.replace("x", " × ")}
          </option>
        ))}
      </select>
    </Field>
  );
}

function dataUrl(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
