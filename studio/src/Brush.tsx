import { useRef, useState, type PointerEvent, type RefObject } from "react";
import { sides } from "./pieces";
import { useWords } from "./words";

const FINE = 4; // dots of the drawing for each pixel of the video

type Canvas = RefObject<HTMLCanvasElement | null>;

/** radius: of the shorter side of the picture. erase: takes away instead of painting. */
export interface Stroke {
  radius: number;
  erase: boolean;
}

/** A drawing over the video: where it is painted, the video is dreamed anew. Its canvas is read with `maskOf`. */
export function Drawing(props: { size: string; brush: Stroke; canvas: Canvas }) {
  const words = useWords();
  const { canvas } = props;
  const { radius, erase } = props.brush;
  const [width, height] = sides(props.size).map((side) => side * FINE);
  const [cursor, setCursor] = useState<[number, number]>(); // where the keyboard paints
  const last = useRef<[number, number]>(undefined);
  const thickness = 2 * radius * Math.min(width, height);

  const stroke = (from: [number, number], to: [number, number]) => {
    const pen = canvas.current!.getContext("2d")!;
    pen.globalCompositeOperation = erase ? "destination-out" : "source-over";
    pen.strokeStyle = getComputedStyle(canvas.current!).color;
    pen.lineWidth = thickness;
    pen.lineCap = "round";
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(to[0] + 0.01, to[1]); // a line of no length is not drawn
    pen.stroke();
  };
  const place = (event: PointerEvent): [number, number] => {
    const box = canvas.current!.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  };
  const byKey = (key: string, far: boolean) => {
    const [x, y] = cursor ?? [width / 2, height / 2];
    const step = far ? thickness : thickness / 4;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], " ": [0, 0] }[key];
    if (!way) return false;
    const to: [number, number] = [
      Math.min(width, Math.max(0, x + way[0] * step)),
      Math.min(height, Math.max(0, y + way[1] * step)),
    ];
    if (key === " ") stroke(to, to);
    setCursor(to);
    return true;
  };

  return (
    <div className="drawing">
      <canvas
        ref={canvas}
        width={width}
        height={height}
        tabIndex={0}
        role="application"
        aria-label={words.canvas}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setCursor(undefined);
          last.current = place(event);
          stroke(last.current, last.current);
        }}
        onPointerMove={(event) => {
          if (!last.current) return;
          const here = place(event);
          stroke(last.current, here);
          last.current = here;
        }}
        onPointerUp={() => (last.current = undefined)}
        onPointerCancel={() => (last.current = undefined)}
        onFocus={(event) => event.currentTarget.matches(":focus-visible") && setCursor([width / 2, height / 2])}
        onBlur={() => setCursor(undefined)}
        onKeyDown={(event) => byKey(event.key, event.shiftKey) && event.preventDefault()}
      />
      {cursor && (
        <span
          className="cursor"
          style={{
            left: `${(100 * cursor[0]) / width}%`,
            top: `${(100 * cursor[1]) / height}%`,
            width: `${(100 * thickness) / width}%`,
          }}
        />
      )}
    </div>
  );
}

/** The brush itself, and how to begin anew. */
export function BrushControls(props: { brush: Stroke; onBrush: (brush: Stroke) => void; canvas: Canvas }) {
  const words = useWords();
  const { brush, onBrush } = props;
  return (
    <div className="row tight">
      <label className="inline">
        {words.brush}
        <input
          type="range"
          min={0.02}
          max={0.3}
          step={0.01}
          value={brush.radius}
          onChange={(event) => onBrush({ ...brush, radius: Number(event.target.value) })}
        />
      </label>
      <label className="inline">
        <input
          type="checkbox"
          checked={brush.erase}
          onChange={(event) => onBrush({ ...brush, erase: event.target.checked })}
        />
        {words.erase}
      </label>
      <button type="button" onClick={() => clear(props.canvas.current!)}>
        {words.clear}
      </button>
    </div>
  );
}

function clear(canvas: HTMLCanvasElement) {
  canvas.getContext("2d")!.clearRect(0, 0, canvas.width, canvas.height);
}

/** The drawing as a black picture of the video's size, white where it is painted; none when nothing is. */
export function maskOf(canvas: HTMLCanvasElement, size: string): string | undefined {
  const mask = document.createElement("canvas");
  [mask.width, mask.height] = sides(size);
  const pen = mask.getContext("2d")!;
  pen.drawImage(canvas, 0, 0, mask.width, mask.height);
  const pixels = pen.getImageData(0, 0, mask.width, mask.height);
  let painted = false;
  for (let at = 0; at < pixels.data.length; at += 4) {
    const white = pixels.data[at + 3] > 127;
    painted ||= white;
    pixels.data.fill(white ? 255 : 0, at, at + 3);
    pixels.data[at + 3] = 255;
  }
  pen.putImageData(pixels, 0, 0);
  return painted ? mask.toDataURL("image/png") : undefined;
}
