// The view of get_deployment's result.

const SHOWN_MODELS = 8;
const MOST_MODELS = 1_000;
const MOST_CELLS = 12; // instances that a bar shows one by one
const ENGINES = { vllm: "vLLM", sglang: "SGLang" };
const TONES = {
  running: "success", loading: "warning", starting: "info", stopping: "warning", stopped: "neutral", failed: "danger",
};

/** Return the deployment's id if a result is about one deployment. */
function deploymentIn(data) {
  return textIn(data.status) && !Array.isArray(data.answers) ? textIn(data.service_id) : undefined;
}

/** Return the view. `refreshButton` is an element, or undefined. */
function deploymentView(data, refreshButton) {
  const state = data.status === "running" && data.ready === false ? "loading" : data.status;
  const hint = words.hint?.[state];
  const summary = textIn(data.summary);
  return [
    element("header", {},
      element("div", { class: "title" },
        element("h1", {}, name(textIn(data.name) ?? data.service_id)),
        stateOf(state, textIn(data.status_raw)),
      ),
      refreshButton,
    ),
    hint && element("p", { class: "hint" }, hint),
    summary && element("p", { class: "summary", lang: "en", dir: "auto" }, summary),
    warningsView(data.warnings),
    factsOf(data),
    modelsView(data),
    launchView(data),
  ];
}

function stateOf(state, raw) {
  const known = Object.hasOwn(TONES, state);
  const word = known ? words[state] : words.unknown;
  return element("span", { class: `state ${known ? TONES[state] : "neutral"}` },
    element("span", { class: "dot", "aria-hidden": "true" }), !known && raw ? `${word} (${plain(raw)})` : word);
}

/** Return the warnings as a list, for any result. */
function warningsView(warnings) {
  const said = textsIn(warnings);
  return said.length > 0 && element("ul", { class: "warnings", "aria-label": words.warnings },
    said.map((each) => element("li", { lang: "en", dir: "auto" },
      element("span", { class: "unseen" }, `${words.warning}: `), each)));
}

function factsOf(data) {
  const form = objectIn(data.quick_start);
  const { head, worker } = nodesOf(data);
  const engine = textIn(data.engine) === "unknown" ? undefined : textIn(data.engine);
  const version = textIn(form.backend_version);
  const kinds = [form, head, worker].map((each) => textIn(objectIn(each.resources).gpu_type)).filter(Boolean);
  const gpus = numberIn(data.total_gpus);
  const base = textIn(data.base_service_id);
  const instances = Array.isArray(data.instances) ? objectsIn(data.instances) : undefined;
  const cluster = objectIn(data.cluster);
  const scale = objectIn(data.scale);
  const span = [textIn(scale.min), textIn(scale.max)].filter(Boolean).join("–");
  const mono = (text) => text && name(text, { class: "mono" });
  return element("dl", { class: "facts" },
    fact(words.loraService, base && name(base)),
    fact(words.engine, engine && [name(ENGINES[engine] ?? engine), version && [" ", name(version)]].flat().filter(Boolean)),
    fact(words.gpus, gpus === undefined ? undefined : name([figure(gpus), ...new Set(kinds)].join(" × "))),
    fact(words.instances, instances?.length ? words.ready(readyOf(instances).length, instances.length) : undefined),
    fact(words.model, textIn(data.model_id) && name(data.model_id)),
    fact(words.cluster, [cluster.vks_id, cluster.namespace].map(textIn).filter(Boolean).map((each, at) =>
      at ? [" / ", name(each)] : name(each)).flat()),
    fact(words.scaling, span && name(span)),
    fact(words.serviceId, mono(textIn(data.service_id)), { "data-wide": "" }),
    fact(words.endpoint, mono(textIn(data.endpoint)), { "data-wide": "" }),
  );
}

function readyOf(instances) {
  return instances.filter((each) => each.base_model_ready === true);
}

function modelsView(data) {
  const adapters = textsIn(data.lora_models);
  const models = textsIn(data.models);
  const adapterOf = new Map(adapters.map((each) => [models.find((model) => model === each)
    ?? models.find((model) => model.endsWith(`:${each}`)) ?? each, each]));
  const named = [...new Set([...models, ...adapterOf.keys()])];
  const instances = objectsIn(data.instances);
  const ready = readyOf(instances);
  const rows = named.slice(0, MOST_MODELS).map((model) => {
    const adapter = adapterOf.get(model);
    const holds = (instance) => adapter === undefined || textsIn(instance.lora_models).includes(adapter);
    const cells = instances.map((each) => (each.base_model_ready !== true ? "down" : holds(each) ? "held" : "free"));
    return { model, isAdapter: adapter !== undefined, cells, isEverywhere: ready.every(holds) };
  });
  const shown = opened.has("models") ? rows : rows.slice(0, SHOWN_MODELS);
  return element("section", { "aria-labelledby": "models" },
    element("div", { class: "heading" },
      element("h2", { id: "models" }, words.models, named.length > 0 && [" ", element("span", { class: "count" }, figure(named.length))]),
      rows.length > 0 && instances.length > 0 && element("span", { class: "quiet", "aria-hidden": "true" }, words.readyOn)),
    rows.length === 0 && element("p", { class: "quiet" }, words.noModels),
    rows.length > 0 && element("ul", { class: "models" }, shown.map(modelRow)),
    rows.length > SHOWN_MODELS && element("button", {
      type: "button", class: "link", "data-key": "all-models", "aria-expanded": String(opened.has("models")),
      onclick: () => turn("models"),
    }, opened.has("models") ? words.fewer : words.all(figure(rows.length))),
  );
}

function modelRow({ model, isAdapter, cells, isEverywhere }) {
  const held = cells.filter((cell) => cell === "held").length;
  return element("li", {},
    element("span", { class: "named" }, name(model, { class: "mono" }), " ",
      element("span", { class: "kind" }, isAdapter ? words.adapter : words.base)),
    cells.length > 0 && element("span", { class: "held-by" },
      cells.length > MOST_CELLS ? bar(held / cells.length, isEverywhere ? "" : "some")
        : element("span", { class: isEverywhere ? "cells" : "cells some", "aria-hidden": "true" },
          cells.map((cell) => element("span", { class: cell }))),
      element("span", { class: "unseen" }, words.heldBy(held, cells.length)),
      element("span", { "aria-hidden": "true" }, words.outOf(held, cells.length))),
  );
}

function nodesOf(data) {
  const expert = objectIn(data.expert);
  return { head: objectIn(expert.head), worker: objectIn(expert.worker) };
}

function launchView(data) {
  const { head, worker } = nodesOf(data);
  const parts = [[words.form, objectIn(data.quick_start)], [words.head, head], [words.worker, worker]]
    .map(([title, node]) => [title, nodeFacts(node)])
    .filter(([, facts]) => facts.some(Boolean));
  return parts.length > 0 && folded("launch", words.launch, parts.map(([title, facts]) =>
    [parts.length > 1 && element("h3", {}, title), element("dl", { class: "launch" }, facts)]));
}

function nodeFacts(node) {
  const named = (texts) => texts.map((each) => element("code", { dir: "ltr" }, name(each)));
  const { cpu, memory, gpu_type: gpu, gpu_count: count } = objectIn(node.resources);
  const resources = [
    [textIn(count), textIn(gpu)].filter(Boolean).join(" × "),
    textIn(cpu) && `${words.cpu} ${textIn(cpu)}`,
    textIn(memory) && `${words.memory} ${textIn(memory)}`,
  ].filter(Boolean).join(", ");
  const volumes = objectsIn(node.volumes).map((each) =>
    [[each.name, each.sub_path].map(textIn).filter(Boolean).join("/"), textIn(each.mount_path)].filter(Boolean).join(" → ")
    + (each.read_only === true ? ` (${words.readOnly})` : ""));
  const image = textIn(node.image);
  const backend = [textIn(node.backend), textIn(node.backend_version)].filter(Boolean).join(" ");
  return [
    fact(words.engine, backend && name(backend)),
    fact(words.image, image && [name(image, { class: "mono" }), node.private_registry === true ? ` (${words.registry})` : ""]),
    fact(words.program, textIn(node.program) && name(textIn(node.program), { class: "mono" })),
    fact(words.flags, named(textsIn(node.flags))),
    fact(words.resources, resources && name(resources)),
    fact(words.workers, textIn(node.workers) && name(textIn(node.workers))),
    fact(words.replicas, textIn(node.replicas) && name(textIn(node.replicas))),
    fact(words.environment, named(textsIn(node.env_names))),
    fact(words.labels, named(textsIn(node.label_names))),
    fact(words.volumes, named(volumes)),
  ];
}
