// Talks to the server. The token is sent in a header, never as a cookie, so that no other page can act with it.

const KEY = "civitas-token";
const AWAY = 20_000;  // milliseconds that a page may be out of sight before it asks for nothing more

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => sessionStorage.setItem(KEY, value),
};

function headers() {
  const known = token.get();
  return known ? { authorization: `Bearer ${known}` } : {};
}

async function read(response) {
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.error), { status: response.status });
  return answer;
}

export const about = async () => read(await fetch("/api/about", { headers: headers() }));

export const ask = async (what, named = {}) =>
  (await read(await fetch(`/api/${what}?${new URLSearchParams(named)}`, { headers: headers() }))).ok;

export const act = async (what) =>
  (await read(await fetch("/api/act", {
    method: "POST",
    headers: { ...headers(), "content-type": "application/json" },
    body: JSON.stringify(what),
  }))).ok;

// Resolves once somebody looks at the page.
const inSight = () => new Promise((seen) => {
  if (!document.hidden) return seen();
  document.addEventListener("visibilitychange", seen, { once: true });
});

// Calls `heard` with each event, for ever; `lost` with the error whenever the connection ends.
export async function watch(heard, lost) {
  for (;;) {
    await inSight();
    const given = new AbortController();
    let timer = 0;
    const away = () => {
      clearTimeout(timer);
      if (document.hidden) timer = setTimeout(() => given.abort(), AWAY);
    };
    document.addEventListener("visibilitychange", away);
    try {
      await follow(await fetch("/api/events", { headers: headers(), signal: given.signal }), heard);
      lost(new Error("the connection has ended"));
    } catch (error) {
      if (!given.signal.aborted) lost(error);
    } finally {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", away);
    }
    await new Promise((again) => setTimeout(again, given.signal.aborted ? 0 : 1500));
  }
}

async function follow(response, heard) {
  if (!response.ok) await read(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    waiting += value;
    for (let end = waiting.indexOf("\n\n"); end >= 0; end = waiting.indexOf("\n\n")) {
      const event = waiting.slice(6, end);
      waiting = waiting.slice(end + 2);
      heard(JSON.parse(event));
    }
  }
}
