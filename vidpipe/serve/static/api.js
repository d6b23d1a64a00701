// What is asked of the server, and what it tells by itself.

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const here = { run: null, person: null, store: false };

function address(path, asked) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(asked)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "") query.append(name, each);
    }
  }
  return query.size ? `/api/${path}?${query}` : `/api/${path}`;
}

export const mediaAddress = (what, id) => address(`event/${what}`, { id });

export const mediaOf = (path, asked) => address(path, ofRun(asked));

async function taken(answer) {
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, told.error ?? `the server says ${answer.status}`);
  return told;
}

export const get = async (path, asked = {}) => taken(await fetch(address(path, asked)));

export async function send(path, told, method = "POST") {
  const options = { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(told) };
  return taken(await fetch(`/api/${path}`, options));
}

export const ofRun = (asked = {}) => ({ run: here.run, ...asked });

// Server-sent events; a browser connects again by itself, and names the last event that it got.
export class Told {
  constructor(run, handlers) {
    this.source = new EventSource(address("told", { run }));
    for (const [kind, handle] of Object.entries(handlers)) {
      this.source.addEventListener(kind, (message) => handle(message.data ? JSON.parse(message.data) : {}));
    }
  }

  close() {
    this.source.close();
  }
}

// Records of what is told and bytes, until `close`; it connects again where the server goes away.
export class Records {
  constructor(path, asked, take, fail) {
    this.path = path;
    this.asked = asked;
    this.take = take;
    this.fail = fail;
    this.abort = new AbortController();
    this.run();
  }

  close() {
    this.abort.abort();
  }

  async run() {
    while (!this.abort.signal.aborted) {
      try {
        const answer = await fetch(address(this.path, this.asked), { signal: this.abort.signal });
        if (!answer.ok) await taken(answer);
        await this.read(answer.body.getReader());
      } catch (error) {
        if (this.abort.signal.aborted) return;
        if (error instanceof Refused && error.status < 500) return this.fail(error);
      }
      await new Promise((done) => setTimeout(done, 2000));
    }
  }

  async read(reader) {
    let kept = new Uint8Array(0);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      kept = joined(kept, value);
      for (;;) {
        if (kept.length < 8) break;
        const view = new DataView(kept.buffer, kept.byteOffset);
        const [told, bytes] = [view.getUint32(0), view.getUint32(4)];
        if (kept.length < 8 + told + bytes) break;
        const text = new TextDecoder().decode(kept.subarray(8, 8 + told));
        if (told > 2) this.take(JSON.parse(text), kept.slice(8 + told, 8 + told + bytes)); // {}: a sign of life
        kept = kept.slice(8 + told + bytes);
      }
    }
  }
}

// Pictures with the answers to the same frames.
export class Live extends Records {
  constructor(asked, take, fail) {
    super("live", asked, (told, bytes) => take(told, new Blob([bytes], { type: "image/jpeg" })), fail);
  }
}

function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
