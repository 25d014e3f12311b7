import { useCallback, useEffect, useRef, useState } from "react";
import { follow, listVideos, type Video } from "./api";

const PAGE = 24,
  MOST = 100; // of one request
const SOON = 1500,
  LATER = 10_000; // milliseconds between looks, while something is made and otherwise
const STREAMS = 3; // a browser opens six connections to one server

export const isFinished = (video: Video) => video.status === "completed" || video.status === "failed";

/** The videos of the gallery, kept up to date, and pictures of those that are dreamed now. */
export function useVideos(search: string, ready: boolean, failed: (error: unknown) => void) {
  const [videos, setVideos] = useState<Video[]>();
  const [more, setMore] = useState(false);
  const [previews, setPreviews] = useState<Record<string, string>>({});
  const asked = useRef(0); // the newest request counts, whichever answer comes last
  const loaded = videos?.length ?? 0;

  const refresh = useCallback(async () => {
    const mine = ++asked.current;
    const limit = Math.min(MOST, Math.max(PAGE, loaded));
    try {
      const page = await listVideos(search, limit);
      if (mine !== asked.current) return;
      const told = new Set(page.data.map((video) => video.id));
      setVideos((old = []) => [
        ...page.data,
        ...(page.has_more ? old.slice(limit).filter((video) => !told.has(video.id)) : []),
      ]);
      if (loaded <= limit) setMore(page.has_more);
      failed(null);
    } catch (error) {
      if (mine === asked.current) failed(error);
    }
  }, [search, loaded, failed]);

  const loadMore = async () => {
    const page = await listVideos(search, PAGE, videos?.at(-1)?.id);
    setVideos((old = []) => [...old, ...page.data]);
    setMore(page.has_more);
  };

  const update = (video: Video) => setVideos((old = []) => old.map((one) => (one.id === video.id ? video : one)));
  const add = (video: Video) => {
    asked.current++; // an answer that is on its way does not know it
    setVideos((old = []) => [video, ...old]);
  };
  const drop = (id: string) => setVideos((old = []) => old.filter((video) => video.id !== id));

  useEffect(() => {
    if (ready) refresh();
    // only what is asked for, not each answer
  }, [search, ready]); // eslint-disable-line

  const pause = videos?.every(isFinished) ? LATER : SOON;
  useEffect(() => {
    if (!ready) return;
    const timer = setInterval(() => document.hidden || refresh(), pause);
    return () => clearInterval(timer);
  }, [ready, pause, refresh]);

  const unfinished = videos?.filter((video) => !isFinished(video)).slice(-STREAMS) ?? []; // the oldest are next
  const followed = unfinished.map((video) => video.id).join();
  useEffect(() => {
    const stop = new AbortController();
    for (const id of followed.split(",").filter(Boolean)) {
      follow(id, stop.signal, (event, data) => {
        if (event === "preview") setPreviews((old) => ({ ...old, [id]: data.image_url }));
        else if (data.status) update(data);
      }).catch(() => {}); // the looks above go on
    }
    return () => stop.abort();
  }, [followed]);

  return { videos, more, previews, refresh, loadMore, update, add, drop };
}
