// Talks to the server. The token is sent in a header, never as a cookie, so that no other page can act with it.

const KEY = "civitas-token";

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

export const answerOf = async (run) =>
  (await read(await fetch(`/api/runs/${encodeURIComponent(run)}/answer`, { headers: headers() }))).ok;

export const act = async (what) =>
  (await read(await fetch("/api/act", {
    method: "POST",
    headers: { ...headers(), "content-type": "application/json" },
    body: JSON.stringify(what),
  }))).ok;

// Calls `heard` with each event, for ever; `lost` with the error whenever the connection ends.
export async function watch(heard, lost) {
  for (;;) {
    try {
      const response = await fetch("/api/events", { headers: headers() });
      if (!response.ok) await read(response);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = [];
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const parts = value.split("\n\n");
        while (parts.length > 1) {
          heard(JSON.parse((rest.join("") + parts.shift()).slice(6)));
          rest = [];
        }
        rest.push(parts[0]);
      }
      lost(new Error("the connection has ended"));
    } catch (error) {
      lost(error);
    }
    await new Promise((again) => setTimeout(again, 1500));
  }
}
