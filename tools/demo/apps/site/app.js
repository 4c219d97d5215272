// A page per path, all drawn here: the gateway sends index.html for whatever is not a file.
const pages = { "/": "try", "/how": "how", "/package": "package" };

const targets = [
  { path: "/hello", title: "Worker app", text: "A C++ module in a process of its own, over shared memory." },
  { path: "/hello-program", title: "Worker program", text: "An executable that speaks the same rings." },
  { path: "/proxy/hello", title: "Upstream", text: "A second gateway, over a pooled connection." },
  { path: "/plugin", title: "Plugin", text: "Native code in the request path." },
];

async function ask(card, target) {
  const out = card.querySelector("output");
  const began = performance.now();
  try {
    const response = await fetch(target.path, { cache: "no-store" });
    const body = (await response.text()).trim();
    const took = (performance.now() - began).toFixed(1);
    // A path that nobody has is this site's own, and comes as its page.
    const mounted = !response.headers.get("content-type")?.startsWith("text/html");
    card.dataset.state = !mounted ? "absent" : response.ok ? "good" : "bad";
    out.textContent = mounted ? body.slice(0, 160) : "Nothing is mounted here.";
    const id = response.headers.get("x-request-id") ?? "none";
    card.querySelector("small").textContent =
      `${response.status} in ${took} ms, request ${id.slice(0, 8)}…`;
  } catch (error) {
    card.dataset.state = "bad";
    out.textContent = String(error);
  }
}

function drawTry(page) {
  const cards = page.querySelector(".cards");
  const asks = targets.map((target) => {
    const card = document.createElement("article");
    card.innerHTML = "<h2></h2><p></p><output></output><small></small>";
    card.querySelector("h2").textContent = target.title;
    card.querySelector("p").textContent = target.text;
    const path = document.createElement("a");
    path.href = target.path;
    path.textContent = target.path;
    path.dataset.plain = "";
    card.querySelector("h2").append(path);
    cards.append(card);
    return () => ask(card, target);
  });
  const askAll = () => asks.forEach((one) => one());
  page.querySelector("#again").addEventListener("click", askAll);
  askAll();
}

function draw() {
  const path = location.pathname;
  const name = pages[path] ?? "how";
  const page = document.getElementById("page");
  page.replaceChildren(document.getElementById(name).content.cloneNode(true));
  for (const link of document.querySelectorAll("nav a")) {
    link.toggleAttribute("aria-current", link.pathname === path);
  }
  if (name === "try") drawTry(page);
  if (name === "how") page.querySelector("#path").textContent = path;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || link.origin !== location.origin || "plain" in link.dataset) return;
  if (event.metaKey || event.ctrlKey) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  draw();
});
addEventListener("popstate", draw);
draw();
