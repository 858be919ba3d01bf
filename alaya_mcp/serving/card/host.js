// The protocol with the host: JSON-RPC over postMessage, MCP Apps 2026-01-26.

const PROTOCOL = "2026-01-26";
const PATIENCE_MS = 60_000;
const UNKNOWN_METHOD = { code: -32601, message: "Method not found" };

/** The host that shows this page. `heard` receives its notifications, `answers` has a function for each of its requests. */
class Host {
  #heard;
  #answers;
  #asked = new Map();
  #lastId = 0;

  constructor(heard, answers) {
    this.#heard = heard;
    this.#answers = answers;
    addEventListener("message", (event) => {
      if (event.source === parent && event.data?.jsonrpc === "2.0") this.#receive(event.data);
    });
  }

  /** Send a request and return its result. Rejects with an Error: the host's, or that it did not answer. */
  ask(method, params) {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(id, { error: { message: words.noAnswer } }), PATIENCE_MS);
      this.#asked.set(id, { resolve, reject, timer });
      this.#send({ id, method, params });
    });
  }

  /** Send a notification. */
  tell(method, params = {}) {
    this.#send({ method, params });
  }

  #send(message) {
    // A page in a sandbox does not know its parent's origin. What is sent is the card's size, and calls to the server.
    parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
  }

  #receive(message) {
    const { id, method } = message;
    if (typeof method !== "string") return this.#settle(id, message);
    const params = objectIn(message.params);
    if (id === undefined || id === null) return this.#heard(method, params);
    const answer = Object.hasOwn(this.#answers, method) ? this.#answers[method] : undefined;
    return this.#send(answer ? { id, result: answer(params) } : { id, error: UNKNOWN_METHOD });
  }

  #settle(id, { result, error }) {
    const asked = this.#asked.get(id);
    if (!asked) return;
    this.#asked.delete(id);
    clearTimeout(asked.timer);
    if (error) asked.reject(new Error(textIn(error.message) ?? words.noAnswer));
    else asked.resolve(objectIn(result));
  }
}
