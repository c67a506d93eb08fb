// The script that web sites embed, as /capture/{key}.js; crm.snippet squeezes it. CONFIG: w = wait for consent,
// c = conversion id for the Insight Tag. No dependency; nothing is kept in the browser before it may be. Our own form in
// a frame is told by its address, for it sees nothing of the page around it.
((w, d, conf) => {
  var base = d.currentScript.src.replace(/\.js(\?.*)?$/, "/"),
    store = "leadmachine",
    names = ["li_fat_id", ..."source medium campaign term content".split(" ").map(n => "utm_" + n)],
    seen = Date.now(),
    may = !conf.w,
    kept = {},
    eventId;

  function newId() {
    eventId = w._linkedin_event_id = "lm_" + [...crypto.getRandomValues(new Uint8Array(16))].map(n => (n + 256).toString(16).slice(1)).join("");
  }
  // As text, which needs no preflight.
  function post(path, body) {
    return fetch(base + path, {
      method: "POST", credentials: "include", keepalive: 1, body: JSON.stringify(body)
    });
  }
  function save() {
    if (!may) return;
    try { localStorage[store] = JSON.stringify(kept); } catch {}
    post("touch/", kept).catch(() => 0);
  }
  // A touch is an arrival that something led to, or the very first one. The address goes before the tag's
  // cookie, which counts where no click is known, or once it changes.
  function look(landing) {
    var touch = {at: new Date().toISOString(), landing_page: location.href.split("?")[0]},
      said = new URLSearchParams(landing ? location.search : ""), is = !kept.first, tag = new URLSearchParams(d.cookie.replaceAll("; ", "&")).get("li_fat_id");
    names.forEach(name => {
      var value = said.get(name);
      if (value) is = touch[name] = value.slice(0, 300);
    });
    if (landing && d.referrer && new URL(d.referrer).host != location.host) is = touch.referrer = d.referrer;
    if (may && tag && tag != kept.tag) {
      if (!touch.li_fat_id && (!kept.click || kept.tag) && tag != kept.click?.li_fat_id) is = touch.li_fat_id = tag;
      kept.tag = tag;
    }
    if (!is) return;
    kept.first ||= touch;
    kept.last = touch;
    if (touch.li_fat_id) kept.click = touch;
    save();
  }
  function start() {
    try { if (may) kept = JSON.parse(localStorage[store]) || kept; } catch {}
    look(1);
  }
  function said() {
    var found = {...kept.last, event_id: eventId};
    delete found.at;
    if (kept.click) found.li_fat_id = kept.click.li_fat_id;
    ["first", "last", "click"].forEach(one => {
      if (kept[one]) found[one + "_touch"] = JSON.stringify(kept[one]);
    });
    return found;
  }
  function fill() {
    look();
    var all = said();
    d.querySelectorAll("input[type=hidden]").forEach(input => {
      if (all[input.name]) input.value = all[input.name];
    });
    d.querySelectorAll("iframe").forEach(frame => {
      var src = frame.src;
      if (src.startsWith(base + "embed/") && !src.includes("event_id"))
        frame.src = (src + (src.includes("?") ? "&" : "?") + new URLSearchParams(all)).slice(0, 3500);
    });
    return all;
  }
  // False if a listener has taken over.
  function tell(form, what, detail) {
    return form.dispatchEvent(new CustomEvent("leadmachine:" + what, {bubbles: 1, cancelable: 1, detail}));
  }
  d.addEventListener("submit", event => {
    var form = event.target, all = fill(), id = eventId, body = {};
    if (form.dataset.leadmachine == null && form.action != base) return;
    event.preventDefault();
    new FormData(form).forEach((value, name) => { body[name] = value; });
    post("", {...body, ...all, _elapsed: Date.now() - seen}).then(answer =>
      answer.json().then(told => {
        if (!answer.ok) {
          var wrong = told.errors[0], input = form.elements[wrong.attr];
          if (tell(form, "refused", told) && input) {
            input.setCustomValidity(wrong.detail);
            input.reportValidity();
            input.oninput = () => input.setCustomValidity("");
          }
          return;
        }
        if (conf.c && w.lintrk) w.lintrk("track", {conversion_id: conf.c, event_id: id});
        told.event_id = id;
        newId();
        if (!tell(form, "sent", told)) return;
        if (told.redirect) location = told.redirect;
        else form.textContent = form.dataset.thanks || "✓";
      })
    ).catch(() => { if (form.action == base) form.submit(); });
  });
  w.leadmachine = {
    consent(yes) {
      may = yes;
      if (yes) start(), save();
      else localStorage.removeItem(store), post("touch/", {});
    }
  };
  if (!(eventId = w._linkedin_event_id)) newId();
  start();
  if (d.readyState == "loading") d.addEventListener("DOMContentLoaded", fill);
  else fill();
})(window, document, CONFIG);
