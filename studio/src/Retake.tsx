import { useRef } from "react";
import type { Video } from "./api";
import { useFile } from "./pieces";
import { snap, TimeHandle, timeAt } from "./Timeline";
import { useWords } from "./words";

export type Span = [number, number];

/** The frames of a video along a line, over which a span is dragged. Snaps to frames. */
export function RetakeLine(props: { video: Video; fps: number; span: Span; onSpan: (span: Span) => void }) {
  const words = useWords();
  const line = useRef<HTMLDivElement>(null);
  const began = useRef(0);
  const url = useFile(props.video, "spritesheet");
  const length = Number(props.video.seconds),
    step = 1 / props.fps;
  const [start, end] = props.span;
  const common = { length, step, line, say: words.at };

  return (
    <div className="timeline">
      <div
        ref={line}
        className="frames"
        style={url ? { backgroundImage: `url(${url})` } : undefined}
        onPointerDown={(event) => {
          event.preventDefault();
          event.currentTarget.setPointerCapture(event.pointerId);
          began.current = snap(timeAt(event, line.current!, length), step);
          props.onSpan([Math.min(began.current, length - step), Math.min(began.current + step, length)]);
        }}
        onPointerMove={(event) => {
          if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
          const at = snap(timeAt(event, line.current!, length), step);
          if (at !== began.current) props.onSpan([Math.min(began.current, at), Math.max(began.current, at)]);
        }}
      >
        <span
          className="span"
          style={{ left: `${(100 * start) / length}%`, width: `${(100 * (end - start)) / length}%` }}
        />
        <TimeHandle
          {...common}
          handle={{ name: words.from, value: start, min: 0, max: end - step, onMove: (at) => props.onSpan([at, end]) }}
        />
        <TimeHandle
          {...common}
          handle={{
            name: words.to,
            value: end,
            min: start + step,
            max: length,
            onMove: (at) => props.onSpan([start, at]),
          }}
        />
      </div>
      <p className="soft">
        {words.from} {words.at(start)} · {words.to} {words.at(end)}
      </p>
    </div>
  );
}
