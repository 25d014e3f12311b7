/** Everything the page asks of the server. The key goes as a header, never as a cookie, and stays in this tab. */

export interface Video {
  id: string;
  status: "queued" | "in_progress" | "completed" | "failed";
  progress: number;
  created_at: number;
  prompt: string | null;
  seconds: string;
  size: string;
  operation: string;
  seed: number;
  fitted_from: string | null;
  notes: string[];
  error: { code: string; message: string } | null;
  queue_position: number | null;
  seconds_left: number | null;
}

export interface Model {
  id: string;
  fps: number;
  seconds: number;
  steps: number;
  sizes: Record<string, string>;
  actions: string[];
}

export type Variant = "video" | "thumbnail" | "spritesheet";

/** What the server says is wrong, in its own words. status 0: it did not answer. */
export class ServerError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

let key = sessionStorage.getItem("key") ?? "";

export function setKey(value: string) {
  key = value.trim();
  sessionStorage.setItem("key", key);
}

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (key) headers.set("Authorization", `Bearer ${key}`);
  let answer;
  try {
    answer = await fetch(`v1/${path}`, { ...init, headers });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ServerError("", 0);
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => null);
  throw new ServerError(told?.error?.message ?? `${answer.status} ${answer.statusText}`, answer.status);
}

const json = async (path: string, init?: RequestInit) => (await ask(path, init)).json();

export async function getModel(): Promise<Model> {
  return (await json("models")).data[0];
}

export function listVideos(
  search: string,
  limit: number,
  after?: string,
): Promise<{ data: Video[]; has_more: boolean }> {
  const query = new URLSearchParams({ limit: String(limit), search });
  if (after) query.set("after", after);
  return json(`videos?${query}`);
}

/** Ask for a video. operation: "" from words, or the name of another path under /v1/videos. */
export function make(operation: string, body: object): Promise<Video> {
  const path = operation ? `videos/${operation}` : "videos";
  return json(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

/** Give the server a video or image of one's own, under the name of its file. */
export function upload(file: File): Promise<Video> {
  const form = new FormData();
  form.set("video", file);
  form.set("prompt", file.name.replace(/\.\w+$/, ""));
  return json("videos/uploads", { method: "POST", body: form });
}

export const cancel = (id: string): Promise<Video> => json(`videos/${id}/cancel`, { method: "POST" });

export const remove = (id: string) => ask(`videos/${id}`, { method: "DELETE" });

const kept = new Map<string, Promise<string>>();

/** A file of a video as an address within this page. An element cannot send the key, so the page fetches for it. */
export function fileOf(id: string, variant: Variant): Promise<string> {
  const name = `${id}/${variant}`;
  let found = kept.get(name);
  if (!found) {
    found = ask(`videos/${id}/content?variant=${variant}`).then(async (answer) =>
      URL.createObjectURL(await answer.blob()),
    );
    found.catch(() => kept.delete(name));
    kept.set(name, found);
  }
  return found;
}

/** Hear what is told about a video (server-sent events) until it is finished or the signal stops it. */
export async function follow(id: string, signal: AbortSignal, hear: (event: string, data: any) => void): Promise<void> {
  const answer = await ask(`videos/${id}/events`, { signal });
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (text + value.replaceAll("\r", "")).split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const field = (name: string) => block.match(new RegExp(`^${name}: ?(.*)$`, "m"))?.[1];
      const event = field("event"),
        data = field("data");
      if (event && data) hear(event, JSON.parse(data));
    }
  }
}

/** The socket of a live world. */
export function play(start: { prompt: string; size: string; seed?: number }): WebSocket {
  const socket = new WebSocket(new URL("v1/videos/play", document.baseURI.replace(/^http/, "ws")));
  socket.binaryType = "blob";
  socket.onopen = () => socket.send(JSON.stringify({ ...start, key }));
  return socket;
}
