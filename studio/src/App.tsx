import { useCallback, useEffect, useRef, useState } from "react";
import { getModel, make, ServerError, setKey, upload, type Model, type Video } from "./api";
import { Composer, type Draft, type Make } from "./Composer";
import { Gallery } from "./Gallery";
import { Choice, Field, Problem, useAttempt } from "./pieces";
import { Play } from "./Play";
import { Storyboard } from "./Storyboard";
import type { Tool } from "./ToolForm";
import { useVideos } from "./videos";
import { languages, SpokenWords, useWords, type Language } from "./words";
import { Workbench } from "./Workbench";

type View = "words" | "storyboard" | "play";

export function App() {
  const [language, setLanguage] = useKept<Language>("language", navigator.language.startsWith("zh") ? "zh" : "en");
  const [theme, setTheme] = useKept("theme", matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const words = languages[language];
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  useEffect(() => {
    if (localStorage.getItem("theme")) document.documentElement.dataset.theme = theme;
  }, [theme]);

  const [model, setModel] = useState<Model>();
  const [problem, setProblem] = useState<unknown>(null);
  const locked = problem instanceof ServerError && problem.status === 401;
  const greet = useCallback(() => {
    getModel().then((found) => {
      setModel(found);
      setProblem(null);
    }, setProblem);
  }, []);
  useEffect(greet, [greet]);
  useEffect(() => {
    if (model || locked) return;
    const timer = setInterval(greet, 3000);
    return () => clearInterval(timer);
  }, [model, locked, greet]);

  const [view, setView] = useState<View>("words");
  const [draft, setDraft] = useState<Draft>({ prompt: "" });
  const [typed, setTyped] = useState("");
  const search = useLater(typed, 250);
  const list = useVideos(search, model !== undefined, setProblem);
  const videos = list.videos ?? [];
  const completed = videos.filter((video) => video.status === "completed");

  const [opened, setOpened] = useState<{ video: Video; second?: string }>();
  const [tool, setTool] = useState<Tool>("extend");
  const video = videos.find((one) => one.id === opened?.video.id) ?? opened?.video;
  const close = () => {
    const card = document.querySelector<HTMLElement>(`[data-id="${opened?.video.id}"]`);
    setOpened(undefined);
    card?.focus();
  };
  const connect = (first: string, second: string) => {
    const found = videos.find((one) => one.id === first);
    setTool("connect");
    if (found) setOpened({ video: found, second });
  };

  const onMake: Make = async (operation, bodies) => {
    for (const body of bodies) {
      const made = await make(operation, body);
      setTyped("");
      list.add(made);
      if (operation) setOpened(operation === "storyboard" ? undefined : { video: made });
    }
  };

  const adding = useAttempt();
  const addFiles = async (files: File[]) => {
    for (const file of files) {
      const made = await upload(file);
      setTyped("");
      list.add(made);
      setOpened({ video: made });
    }
  };

  return (
    <SpokenWords value={words}>
      <header className="top">
        <h1>
          <Mark /> patchworld
        </h1>
        <Choice
          className="choice views"
          name={words.view}
          value={view}
          options={(["words", "storyboard", "play"] as const).map((value) => ({ value, label: words.views[value] }))}
          onChange={setView}
        />
        <span className="switches">
          <button
            className="quiet"
            lang={language === "en" ? "zh" : "en"}
            onClick={() => setLanguage(language === "en" ? "zh" : "en")}
          >
            {words.other}
          </button>
          <button
            className="quiet"
            aria-label={theme === "dark" ? words.light : words.dark}
            onClick={() => setTheme(theme === "dark" ? "light" : "dark")}
          >
            {theme === "dark" ? "☀" : "☾"}
          </button>
        </span>
      </header>
      <main className={video ? "split" : ""}>
        <div className="making">
          {locked && <KeyForm onKey={greet} />}
          <Problem error={problem} />
          <div hidden={view !== "words"}>
            <Composer model={model} draft={draft} onDraft={setDraft} onMake={onMake} />
          </div>
          <div hidden={view !== "storyboard"}>
            <Storyboard model={model} videos={completed} onMake={onMake} />
          </div>
          {view === "play" && <Play model={model} onMake={onMake} />}
          <section
            aria-labelledby="videos"
            onDragOver={(event) => event.dataTransfer.types.includes("Files") && event.preventDefault()}
            onDrop={(event) => {
              if (!event.dataTransfer.files.length) return;
              event.preventDefault();
              adding.attempt(() => addFiles([...event.dataTransfer.files]));
            }}
          >
            <div className="heading">
              <h2 id="videos">{words.videos}</h2>
              <label className="button upload" title={words.uploadHint}>
                {adding.busy ? words.sending : words.upload}
                <input
                  type="file"
                  className="hidden"
                  accept="video/*,image/*"
                  multiple
                  disabled={adding.busy}
                  onChange={({ currentTarget }) =>
                    adding.attempt(() => addFiles([...currentTarget.files!])).then(() => (currentTarget.value = ""))
                  }
                />
              </label>
              <input
                type="search"
                aria-label={words.search}
                placeholder={words.search}
                value={typed}
                onChange={(event) => setTyped(event.target.value)}
              />
            </div>
            <Problem error={adding.error} />
            {list.videos?.length === 0 && <p className="soft empty">{search ? words.noneFound : words.none}</p>}
            <Gallery
              videos={videos}
              previews={list.previews}
              selected={video?.id}
              onOpen={(one) => setOpened({ video: one })}
              onConnect={connect}
              onCancelled={list.update}
            />
            {list.more && (
              <p className="more">
                <button onClick={() => list.loadMore().catch(setProblem)}>{words.loadMore}</button>
              </p>
            )}
          </section>
        </div>
        {video && (
          <Workbench
            video={video}
            others={completed.filter((one) => one.id !== video.id)}
            model={model}
            preview={list.previews[video.id]}
            tool={tool}
            second={opened?.second}
            onTool={setTool}
            onMake={onMake}
            onReuse={(one) => {
              setView("words");
              setDraft({ prompt: one.prompt ?? "", seed: one.seed });
            }}
            onCancelled={list.update}
            onRemoved={(id) => {
              list.drop(id);
              setOpened(undefined);
            }}
            onClose={close}
          />
        )}
      </main>
      <Announcement videos={videos} />
    </SpokenWords>
  );
}

function KeyForm({ onKey }: { onKey: () => void }) {
  const words = useWords();
  const [typed, setTyped] = useState("");
  return (
    <form
      className="sheet"
      onSubmit={(event) => {
        event.preventDefault();
        setKey(typed);
        onKey();
      }}
    >
      <p className="soft">{words.keyHint}</p>
      <div className="row">
        <Field name={words.key} wide>
          <input
            type="password"
            autoComplete="off"
            required
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        </Field>
        <button className="main">{words.useKey}</button>
      </div>
    </form>
  );
}

/** Says to those who cannot see it that a video is ready. */
function Announcement({ videos }: { videos: Video[] }) {
  const words = useWords();
  const before = useRef(new Map<string, string>());
  const [said, setSaid] = useState("");
  useEffect(() => {
    for (const { id, status, prompt } of videos) {
      const old = before.current.get(id);
      if (old && old !== status && status === "completed") setSaid(words.ready(prompt ?? ""));
      before.current.set(id, status);
    }
  }, [videos, words]);
  return (
    <p className="hidden" role="status">
      {said}
    </p>
  );
}

const Mark = () => (
  <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden>
    <rect width="9" height="9" rx="2" />
    <rect x="11" width="9" height="9" rx="2" opacity=".55" />
    <rect y="11" width="9" height="9" rx="2" opacity=".3" />
    <rect x="11" y="11" width="9" height="9" rx="2" opacity=".8" />
  </svg>
);

/** A choice that this browser remembers once it is made. */
function useKept<Value extends string>(name: string, usual: Value): [Value, (value: Value) => void] {
  const [value, setValue] = useState(() => (localStorage.getItem(name) as Value | null) ?? usual);
  return [
    value,
    (chosen) => {
      localStorage.setItem(name, chosen);
      setValue(chosen);
    },
  ];
}

/** A value that is passed on when it has not changed for so many milliseconds. */
function useLater<Value>(value: Value, wait: number): Value {
  const [late, setLate] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setLate(value), wait);
    return () => clearTimeout(timer);
  }, [value, wait]);
  return late;
}
