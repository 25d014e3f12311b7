import type { KeyboardEvent, PointerEvent, RefObject } from "react";

/** What can be moved along a line of time, by pointer or arrow keys. Times are in seconds. */
export interface Handle {
  name: string;
  value: number;
  min: number;
  max: number;
  onMove: (value: number) => void;
}

export function TimeHandle(props: {
  handle: Handle;
  length: number;
  step: number;
  line: RefObject<HTMLElement | null>;
  say: (seconds: number) => string;
}) {
  const { name, value, min, max, onMove } = props.handle;
  const move = (seconds: number) => onMove(Math.min(max, Math.max(min, snap(seconds, props.step))));
  const onKeyDown = (event: KeyboardEvent) => {
    const far = event.shiftKey || event.key.startsWith("Page") ? 10 : 1;
    const way = { ArrowLeft: -1, ArrowDown: -1, PageDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 1 }[event.key];
    if (way) move(value + way * far * props.step);
    else if (event.key === "Home") move(min);
    else if (event.key === "End") move(max);
    else return;
    event.preventDefault();
  };
  return (
    <span
      role="slider"
      tabIndex={0}
      className="handle"
      aria-label={name}
      aria-valuemin={min}
      aria-valuemax={max}
      aria-valuenow={value}
      aria-valuetext={props.say(value)}
      style={{ left: `${(100 * value) / props.length}%` }}
      onKeyDown={onKeyDown}
      onPointerDown={(event) => {
        event.stopPropagation();
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId))
          move(timeAt(event, props.line.current!, props.length));
      }}
    />
  );
}

export const snap = (seconds: number, step: number) => Math.round(Math.round(seconds / step) * step * 1e6) / 1e6;

/** The time on the line at which a pointer is. */
export function timeAt(event: PointerEvent, line: HTMLElement, length: number): number {
  const { left, width } = line.getBoundingClientRect();
  return Math.min(length, Math.max(0, ((event.clientX - left) / width) * length));
}
