import { useRef, useState } from "react";
import type { Model, Video } from "./api";
import { SizeField, type Make } from "./Composer";
import { DRAGGED } from "./Gallery";
import { Field, NumberInput, Problem, Still, useAttempt } from "./pieces";
import { snap, TimeHandle } from "./Timeline";
import { useWords } from "./words";

interface Card {
  key: number;
  prompt: string;
  seconds: number;
  cut: boolean;
  clip?: string;
}

const SHORTEST = 0.5; // seconds of a card

/** Cards along a line of time: each says what is to be seen until the next one. */
export function Storyboard(props: { model?: Model; videos: Video[]; onMake: Make }) {
  const words = useWords();
  const { model, videos } = props;
  const made = useRef(2);
  const line = useRef<HTMLDivElement>(null);
  const [cards, setCards] = useState<Card[]>([0, 1].map((key) => ({ key, prompt: "", seconds: 2, cut: true })));
  const [things, setThings] = useState("");
  const [size, setSize] = useState("1280x720");
  const { busy, error, attempt } = useAttempt();
  const ends = cards.map((_, n) =>
    snap(
      cards.slice(0, n + 1).reduce((sum, card) => sum + card.seconds, 0),
      1e-3,
    ),
  );
  const total = ends.at(-1)!;

  const change = (n: number, what: Partial<Card>) =>
    setCards(cards.map((card, at) => (at === n ? { ...card, ...what } : card)));
  const exchange = (n: number, m: number) =>
    setCards(cards.map((card, at) => (at === n ? cards[m] : at === m ? cards[n] : card)));
  /** The end of a card is moved: the next one begins there, all others stay. */
  const moveEnd = (n: number, at: number) => {
    const by = at - ends[n];
    setCards(
      cards.map((card, k) =>
        k === n || k === n + 1 ? { ...card, seconds: snap(card.seconds + (k === n ? by : -by), 1e-3) } : card,
      ),
    );
  };

  return (
    <form
      className="sheet"
      onSubmit={(event) => {
        event.preventDefault();
        const told = cards.map(({ prompt, cut, clip }, n) => ({
          at: n ? ends[n - 1] : 0,
          prompt: prompt || undefined,
          cut,
          clip: clip && { id: clip },
        }));
        attempt(() => props.onMake("storyboard", [{ cards: told, seconds: total, size, things }]));
      }}
    >
      <div className="timeline" ref={line}>
        <div className="segments" aria-hidden>
          {cards.map((card, n) => (
            <span key={card.key} style={{ flexGrow: card.seconds }}>
              {card.prompt || words.card(n + 1)}
            </span>
          ))}
        </div>
        {cards.slice(0, -1).map((card, n) => (
          <TimeHandle
            key={card.key}
            length={total}
            step={0.25}
            line={line}
            say={words.at}
            handle={{
              name: words.boundary(n + 1),
              value: ends[n],
              min: ends[n] - card.seconds + SHORTEST,
              max: ends[n + 1] - SHORTEST,
              onMove: (at) => moveEnd(n, at),
            }}
          />
        ))}
      </div>
      <ol className="cards">
        {cards.map((card, n) => (
          <li
            key={card.key}
            onDragOver={(event) => event.dataTransfer.types.includes(DRAGGED) && event.preventDefault()}
            onDrop={(event) => change(n, { clip: event.dataTransfer.getData(DRAGGED) || undefined })}
          >
            <header>
              <strong>{words.card(n + 1)}</strong>
              <span>
                <button
                  type="button"
                  className="quiet"
                  disabled={n === 0}
                  aria-label={words.earlier(n + 1)}
                  onClick={() => exchange(n, n - 1)}
                >
                  ←
                </button>
                <button
                  type="button"
                  className="quiet"
                  disabled={n === cards.length - 1}
                  aria-label={words.later(n + 1)}
                  onClick={() => exchange(n, n + 1)}
                >
                  →
                </button>
                <button
                  type="button"
                  className="quiet"
                  disabled={cards.length === 1}
                  aria-label={words.removeCard(n + 1)}
                  onClick={() => setCards(cards.filter((one) => one !== card))}
                >
                  ✕
                </button>
              </span>
            </header>
            <textarea
              rows={3}
              aria-label={words.card(n + 1)}
              placeholder={words.cardHint}
              value={card.prompt}
              onChange={(event) => change(n, { prompt: event.target.value })}
            />
            <div className="row tight">
              <Field name={words.seconds}>
                <NumberInput
                  value={card.seconds}
                  min={0}
                  step="any"
                  onChange={(seconds) => change(n, { seconds: seconds ?? 0 })}
                />
              </Field>
              <Field name={words.shown}>
                <select
                  value={card.clip ?? ""}
                  onChange={(event) => change(n, { clip: event.target.value || undefined })}
                >
                  <option value="">{words.onlyWords}</option>
                  {videos.map((video) => (
                    <option key={video.id} value={video.id}>
                      {video.prompt || words.noPrompt}
                    </option>
                  ))}
                </select>
              </Field>
            </div>
            {n > 0 && (
              <label className="inline">
                <input
                  type="checkbox"
                  checked={card.cut}
                  onChange={(event) => change(n, { cut: event.target.checked })}
                />
                {card.cut ? words.cut : words.goesOver}
              </label>
            )}
            {videos
              .filter((video) => video.id === card.clip)
              .map((video) => (
                <Still key={video.id} video={video} />
              ))}
          </li>
        ))}
        <li className="add">
          <button
            type="button"
            onClick={() => setCards([...cards, { key: made.current++, prompt: "", seconds: 2, cut: true }])}
          >
            + {words.addCard}
          </button>
        </li>
      </ol>
      <div className="row">
        <Field name={words.things} wide>
          <input value={things} placeholder={words.thingsHint} onChange={(event) => setThings(event.target.value)} />
        </Field>
        <SizeField model={model} size={size} onSize={setSize} />
        <span className="soft total">{words.total(total)}</span>
        <button className="main" disabled={busy}>
          {busy ? words.sending : words.dream}
        </button>
      </div>
      <Problem error={error} />
    </form>
  );
}
