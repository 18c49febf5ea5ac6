const KEPT = "kdlab-projector"; // in the tab: a reload keeps the view, a link does not carry it

function remember(on) {
  try {
    sessionStorage.setItem(KEPT, on ? "1" : "0");
  } catch {
    // A browser that keeps nothing: the view lasts until the next reload.
  }
}

function remembered() {
  try {
    return sessionStorage.getItem(KEPT) === "1";
  } catch {
    return false;
  }
}

function linkOfTheView() {
  const link = new URL(location.href);
  link.searchParams.delete("projector");
  return link.href;
}

// Browsers give scripts the clipboard only on https and localhost; a class opens the lab by a plain address.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = Object.assign(document.createElement("textarea"), { value: text });
    field.style.cssText = "position: fixed; opacity: 0";
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    return copied;
  }
}

// Where there is little room the pages are behind a button, which Streamlit calls "Expand sidebar".
function nameNavigation() {
  document.querySelector("[data-testid=stExpandSidebarButton]")?.setAttribute("aria-label", "Pages");
}

// The menu hides most of the page that was chosen in it. Streamlit closes it by itself only where the browser says
// that it is a phone's.
function closeNavigation(event) {
  if (!event.target.closest?.("[data-testid=stSidebarNavLink]")) return;
  const close = "[data-testid=stSidebarCollapseButton] [aria-expanded=true]";
  setTimeout(() => document.querySelector(close)?.click());
}
document.addEventListener("click", closeNavigation);

let watched;

export default function ({ data, parentElement, setStateValue }) {
  const [link, said, projector] = parentElement.querySelectorAll("button, [role=status]");
  const header = document.querySelector("header");
  if (header && header !== watched) {
    watched = header;
    new MutationObserver(nameNavigation).observe(header, { childList: true, subtree: true });
    nameNavigation();
  }
  if (data.projector !== null) remember(data.projector);
  else if (remembered()) setStateValue("projector", true);
  projector.ariaPressed = String(Boolean(data.projector));
  projector.onclick = () => setStateValue("projector", !data.projector);
  link.onclick = async () => {
    const address = linkOfTheView();
    const copied = await copy(address);
    said.textContent = copied ? "Copied" : "";
    if (!copied) prompt("Copy this link", address);
  };
  link.disabled = projector.disabled = false;
  link.onblur = () => (said.textContent = "");
}
