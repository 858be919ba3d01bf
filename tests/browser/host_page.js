// A host page of the real bridge, driven by the tests: it shows the card in a sandboxed frame and keeps what the bridge hears.

import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

const heard = { sizes: [], initialized: 0, problems: [] };
// What a request of the tests may be answered with.
const ANYTHING = { "~standard": { version: 1, vendor: "tests", validate: (value) => ({ value }) } };
let bridge;

/** Show a card; return when it has initialized. `window.callTool`, of the test, answers its calls. */
async function show({ html, context, capabilities, width }) {
  const frame = document.createElement("iframe");
  frame.title = "card";
  frame.sandbox = "allow-scripts";
  frame.style.cssText = `border: 0; width: ${width ?? 700}px; height: 100px`;
  document.body.append(frame);
  bridge = new AppBridge(null, { name: "host of the tests", version: "1" }, capabilities, { hostContext: context });
  bridge.oncalltool = (params) => window.callTool(params);
  bridge.onsizechange = (size) => {
    heard.sizes.push(size);
    frame.style.height = `${size.height}px`;
  };
  bridge.onerror = (error) => heard.problems.push(String(error).slice(0, 500));
  const initialized = new Promise((resolve) => {
    bridge.oninitialized = () => resolve(++heard.initialized);
  });
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  frame.srcdoc = html;
  await initialized;
}

Object.assign(window, {
  heard,
  show,
  input: (args) => bridge.sendToolInput({ arguments: args }),
  result: (toolResult) => bridge.sendToolResult(toolResult),
  cancel: (reason) => bridge.sendToolCancelled({ reason }),
  change: async (context) => bridge.setHostContext(context),
  tearDown: () => bridge.teardownResource({}),
  ask: (method) => bridge.request({ method, params: {} }, ANYTHING),
});
