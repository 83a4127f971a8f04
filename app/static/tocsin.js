// What the pages do beyond links and forms. Each part works on attributes, and without it the page
// works too: a dialog is a page, a confirmation a page, a poll a reload.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// The menu of narrow screens.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-menu]");
  if (button) {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    document.body.classList.toggle("menu-open", open);
  }
  for (const open of $$("details.usermenu[open], details.rowmenu[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});

// "/" goes to the search.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    $("#top-search")?.focus();
  }
  if (event.key === "Escape") {
    for (const open of $$("details.usermenu[open], details.rowmenu[open]")) {
      open.open = false;
      $("summary", open).focus();
    }
  }
});

// Dialogs: a link with data-dialog opens its page's #content in <dialog>; forms in it stay there
// until the server sends the browser on. A dialog with changes asks before it closes.
const dialog = $("#dialog");
let opener = null;
let changed = false;

const shownIn = (html, url) => {
  const page = new DOMParser().parseFromString(html, "text/html");
  const content = $("#content", page);
  if (!content) return false;
  $("#dialog-title").textContent = $("h1", page).textContent.trim();
  const body = $("#dialog-body");
  body.replaceChildren(...$$("#messages > *", page), ...content.childNodes);
  for (const form of $$("form", body)) {
    if (!form.getAttribute("action")) form.setAttribute("action", url);
  }
  if ($("[data-clean]", body)) changed = false;
  started(body);
  return true;
};

const opened = async (link) => {
  opener = link;
  changed = false;
  const response = await fetch(link.href, { headers: { "X-Fragment": "yes" } });
  if (!response.ok || !shownIn(await response.text(), link.href)) {
    location.href = link.href;
    return;
  }
  dialog.showModal();
  ($("[autofocus]", dialog) ?? $("input:not([type=hidden]), select, textarea", dialog))?.focus();
};

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
    event.preventDefault();
    opened(link);
  }
  if (event.target.closest("[data-close]")) closed(event);
});

const closed = (event) => {
  if (changed) {
    event.preventDefault();
    ask("Discard the changes?", "What you typed is not saved.", "Discard").then((yes) => {
      if (yes) {
        changed = false;
        dialog.close();
      }
    });
  } else {
    dialog.close();
  }
};
dialog?.addEventListener("cancel", (event) => {
  event.preventDefault();
  closed(event);
});
dialog?.addEventListener("close", () => {
  if (dialog.open) return; // opened again meanwhile
  $("#dialog-body").replaceChildren();
  opener?.focus();
});
dialog?.addEventListener("input", () => {
  changed = true;
});

// Shows why a form was not taken above it, and leaves what is typed; false: the page is no such one.
const noted = (form, html) => {
  const note = $("[data-note]", new DOMParser().parseFromString(html, "text/html"));
  if (!note) return false;
  $("[data-note]", form)?.remove();
  note.className = "error-summary";
  note.setAttribute("role", "alert");
  form.prepend(note);
  note.focus();
  return true;
};

// Sends a form; returns the page that answers, or null where the browser is sent on.
const answered = async (form, submitter, target) => {
  const body = new FormData(form, submitter);
  const response = await fetch(target, {
    method: "POST",
    body: new URLSearchParams(body),
    headers: { "X-Fragment": "yes" },
  });
  const onward = response.headers.get("X-Location");
  if (!onward) {
    const html = await response.text();
    return response.ok || response.status === 422 || !noted(form, html) ? html : null;
  }
  changed = false;
  location.href = onward;
  return null;
};

// A form with data-stay is answered in its place, so that a password typed in it stays, and what was
// opened, and the focus on the button that was pressed.
const stayed = async (form, submitter) => {
  const kept = $$("input[type=password]", form).map((box) => [box.id, box.value]);
  const titled = (details) => $("summary", details)?.textContent.trim();
  const open = $$("details[open]", form).map(titled);
  const html = await answered(form, submitter, form.getAttribute("action"));
  if (html === null) return;
  const page = new DOMParser().parseFromString(html, "text/html");
  const content = $("#content");
  $("#messages").replaceChildren(...$$("#messages > *", page));
  content.replaceChildren(...($("#content", page) ?? $("main", page)).childNodes);
  for (const [id, value] of kept) {
    const box = document.getElementById(id);
    if (box) box.value = value;
  }
  for (const one of $$("details", content)) if (open.includes(titled(one))) one.open = true;
  const alike = (one) => one.name === submitter?.name && one.value === submitter.value;
  $$("button", content).find((one) => submitter?.name && alike(one))?.focus();
  started(content);
};

const sent = async (form, submitter) => {
  const target = submitter?.getAttribute("formaction") || form.getAttribute("action");
  const html = await answered(form, submitter, target);
  if (html === null) return true;
  if (!shownIn(html, target)) {
    // Signed out meanwhile, or an error of the server: its page tells more.
    location.href = target;
    return false;
  }
  $("#dialog-body [data-focus]")?.focus();
  return false;
};

// Confirmations, and one sending for a double click.
const ask = (title, text, yes) =>
  new Promise((resolve) => {
    const box = $("#confirm");
    $("#confirm-title").textContent = title;
    $("#confirm-text").textContent = text;
    $("#confirm-yes").textContent = yes;
    box.returnValue = "no";
    box.showModal();
    box.addEventListener("close", () => resolve(box.returnValue === "yes"), { once: true });
  });

// The second click of a double click sends nothing: what the first one has opened or put in place
// may hold a button just there, such as the answer to the question whether one is sure.
let lastClick = { at: -Infinity, x: 0, y: 0 };
document.addEventListener(
  "click",
  (event) => {
    if (!event.detail) return; // by keyboard
    const [at, x, y] = [event.timeStamp, event.screenX, event.screenY];
    const near = Math.hypot(x - lastClick.x, y - lastClick.y) < 8;
    const second = near && at - lastClick.at < 400;
    lastClick = { at, x, y };
    if (second && event.target.closest("button")?.type === "submit") event.preventDefault();
  },
  true,
);
for (const other of ["input", "keydown"]) {
  document.addEventListener(other, () => {
    lastClick.at = -Infinity;
  });
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sending) {
    event.preventDefault();
    return;
  }
  const submitter = event.submitter;
  const question = submitter?.dataset.confirm ?? form.dataset.confirm;
  if (question && !form.dataset.sure) {
    event.preventDefault();
    const yes = submitter?.dataset.confirmYes ?? form.dataset.confirmYes ?? "Yes";
    if (!(await ask(`${yes}?`, question, yes))) return;
    form.dataset.sure = "yes";
    const sure = document.createElement("input");
    sure.type = "hidden";
    sure.name = "sure";
    sure.value = "yes";
    form.append(sure);
    form.requestSubmit(submitter);
    return;
  }
  form.dataset.sending = "yes";
  setTimeout(() => delete form.dataset.sending, 10000);
  // What was confirmed was this one sending.
  setTimeout(() => {
    delete form.dataset.sure;
    $("input[name=sure]", form)?.remove();
  });
  const inDialog = form.closest("#dialog-body");
  if (inDialog || "stay" in form.dataset) {
    event.preventDefault();
    try {
      await (inDialog ? sent : stayed)(form, submitter);
    } catch {
      const text = "The server did not answer. What you typed is still here: send it again.";
      await ask("No answer", text, "OK");
    } finally {
      delete form.dataset.sending;
    }
  }
});
window.addEventListener("pageshow", () => {
  for (const form of $$("form[data-sending]")) delete form.dataset.sending;
});

// Selecting rows: all of a page, and how many. It is said by a region that is there from the start:
// what appears together with its words is not announced.
const chosenSaid = document.createElement("p");
chosenSaid.className = "visually-hidden";
chosenSaid.setAttribute("role", "status");
$("[data-bulk]")?.before(chosenSaid);
const counted = () => {
  const boxes = $$("#list tbody input[name=row]");
  const chosen = boxes.filter((box) => box.checked);
  const bar = $("[data-bulk]");
  if (!bar) return;
  bar.hidden = chosen.length === 0;
  const count = $("[data-chosen]", bar);
  if (count) count.textContent = `${chosen.length} selected`;
  const every = $("[data-every]", bar);
  if (every) {
    every.hidden = boxes.length === 0 || chosen.length < boxes.length;
    const all = $("input", every);
    if (all) all.disabled = every.hidden;
    if (all && every.hidden) all.checked = false;
    if (all?.checked && count) count.textContent = "All that match";
  }
  if (chosenSaid.textContent || chosen.length) chosenSaid.textContent = count?.textContent ?? "";
  const all = $("[data-all]");
  all.checked = chosen.length > 0 && chosen.length === boxes.length;
  all.indeterminate = chosen.length > 0 && chosen.length < boxes.length;
};
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-all]")) {
    for (const box of $$("#list tbody input[name=row]")) box.checked = event.target.checked;
  }
  if (event.target.matches("[data-all], input[name=row], [data-every] input")) counted();
});

// Copying: over plain http there is no clipboard API.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = $(button.dataset.copy);
  const text = source.value ?? source.textContent;
  const done = navigator.clipboard
    ? await navigator.clipboard.writeText(text).then(() => true, () => false)
    : false;
  if (!done) {
    const area = document.createElement("textarea");
    area.value = text;
    (button.closest("dialog") ?? document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const before = [...button.childNodes];
  button.textContent = "Copied";
  setTimeout(() => button.replaceChildren(...before), 2000);
});

// Changes what stands in the page into what the server shows now, and only what differs: the focus
// stays, and a live region stays in the page, so that its new words are said.
const changedInto = (before, after) => {
  if (before.isEqualNode(after)) return;
  if (before.nodeName !== after.nodeName || before.id !== after.id) {
    before.replaceWith(after);
    return;
  }
  if (before.nodeType !== Node.ELEMENT_NODE) {
    before.nodeValue = after.nodeValue;
    return;
  }
  for (const { name } of [...before.attributes]) {
    // What the reader has opened stays open.
    if (!after.hasAttribute(name) && name !== "open") before.removeAttribute(name);
  }
  for (const { name, value } of after.attributes) before.setAttribute(name, value);
  const [olds, news] = [[...before.childNodes], [...after.childNodes]];
  news.forEach((one, at) => (at < olds.length ? changedInto(olds[at], one) : before.append(one)));
  for (const one of olds.slice(news.length)) one.remove();
};

// The same for one element and what stands in it; a focus whose place is gone goes to its start.
const renewed = (before, after) => {
  const focused = before.contains(document.activeElement);
  changedInto(before, after);
  if (!focused || before.contains(document.activeElement)) return;
  before.tabIndex = -1;
  before.focus();
};

// Polling: an element with data-poll (seconds) becomes what its page shows now, until that has
// none; a hidden tab rests. With the last turn, so does what data-poll-last names.
const polled = (element) => {
  const wait = Number(element.dataset.poll) * 1000;
  const last = element.dataset.pollLast;
  const turn = async () => {
    if (!element.isConnected) return;
    if (document.hidden) {
      setTimeout(turn, wait);
      return;
    }
    try {
      const url = element.dataset.pollUrl || location.href;
      const response = await fetch(url, { headers: { "X-Fragment": "yes" } });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const next = page.getElementById(element.id);
      if (next && element.isConnected) {
        renewed(element, next);
        const list = last && $(last);
        if (list && !("poll" in element.dataset)) renewed(list, $(last, page));
        started(element.parentElement);
        if (element.closest("[data-focus]")) element.scrollIntoView({ block: "nearest" });
        return;
      }
    } catch {
      // The server is restarting: the next turn finds it.
    }
    setTimeout(turn, wait);
  };
  element.dataset.polled = "yes";
  setTimeout(turn, wait);
};

// Previews: an element with data-preview="#field" shows what stands in the field.
const previewed = (root) => {
  for (const element of $$("[data-preview]", root)) {
    const source = $(element.dataset.preview, root) ?? $(element.dataset.preview);
    const show = () => {
      element.textContent = source.value.trim() ? `${source.value.trim()} ` : "";
    };
    source?.addEventListener("input", show);
    if (source) show();
  }
};

const started = (root) => {
  for (const element of $$("[data-poll]:not([data-polled])", root)) polled(element);
  previewed(root);
  $("[data-focus]", root)?.focus();
};

started(document);
counted();

// A password can be looked at while it is typed.
for (const button of document.querySelectorAll("[data-show]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const field = document.getElementById(button.dataset.show);
    const hidden = field.type === "password";
    field.type = hidden ? "text" : "password";
    button.textContent = hidden ? "Hide password" : "Show password";
  });
}
