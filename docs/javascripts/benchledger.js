/* Draws the charts when they come into view, and shows a run in the viewer.
   Without this script the pages keep their static pictures and tables. */

var benchledger = (function () {
  "use strict";

  var programs = {};

  function load(address) {
    if (!programs[address]) {
      programs[address] = new Promise(function (resolve, reject) {
        var script = document.createElement("script");
        script.src = address;
        script.onload = resolve;
        script.onerror = function () {
          // A second try is another one.
          delete programs[address];
          script.remove();
          reject(new Error("cannot load " + address));
        };
        document.head.appendChild(script);
      });
    }
    return programs[address];
  }

  function draw(place) {
    var figure = place.closest("figure");
    var own = JSON.parse(figure.querySelector("template.bl-spec").content.textContent);
    // The names beside a chart take a third of its width at most, on a desk as on a phone.
    var names = { labelLimit: Math.max(90, Math.round(place.clientWidth * 0.32)) };
    var canvas = document.createElement("div");
    canvas.style.width = "100%";
    load(place.dataset.program)
      .then(function () {
        // It measures its width when it is drawn, so it must be on the page, in place of the static picture.
        place.replaceChildren(canvas);
        var spec = Object.assign({}, window.vegaEmbed.frame, own);
        spec.config = Object.assign({}, spec.config, { axisY: names });
        return window.vegaEmbed(canvas, spec, {
          actions: false,
          ast: true,
          defaultStyle: false,
          mode: "vega-lite",
          renderer: "svg",
          tooltip: { disableDefaultStyle: true },
        });
      })
      .then(function () { figure.dataset.drawn = "yes"; })
      .catch(function (error) { figure.dataset.drawn = "no"; console.error(error); });
  }

  function drawWhenSeen(within) {
    var places = within.querySelectorAll(".bl-chart");
    if (!("IntersectionObserver" in window)) {
      places.forEach(draw);
      return;
    }
    var observer = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) {
        if (entry.isIntersecting) {
          observer.unobserve(entry.target);
          draw(entry.target);
        }
      });
    }, { rootMargin: "300px" });
    places.forEach(function (place) { observer.observe(place); });
  }

  /* A table wider than its box fades at the edge: a number that is cut off there must not look like a whole one. */

  function fade(box) {
    box.classList.toggle("bl-more", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
  }

  var boxes = "ResizeObserver" in window ? new ResizeObserver(function (entries) {
    entries.forEach(function (entry) { fade(entry.target); });
  }) : { observe: fade };

  function watchEdges(within) {
    within.querySelectorAll(".bl-scroll").forEach(function (box) { boxes.observe(box); });
  }

  function scrolled(event) {
    if (event.target.classList && event.target.classList.contains("bl-scroll")) { fade(event.target); }
  }

  /* Parts of a page that lie in data files of their own: loaded when they are opened, or named by the address. */

  function unzipped(packed) {
    var bytes = Uint8Array.from(atob(packed), function (letter) { return letter.charCodeAt(0); });
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  function named() { return document.getElementById(decodeURIComponent(location.hash.slice(1))); }

  /* The hint of a part that is not there yet: a sentence that ends in a link to the runs. */
  function say(place, text) { place.querySelector(".bl-hint > span").textContent = text; }

  function fill(place, html) {
    // What the generator wrote, with every text escaped, as in the page itself.
    var made = document.createElement("div");
    made.innerHTML = html;
    var heading = made.querySelector("#" + CSS.escape(place.id));
    if (heading) {
      // The line becomes the heading of its part.
      place.removeAttribute("id");
      place.querySelector("summary > span").replaceWith(heading);
    }
    place.querySelector(".bl-hint").replaceWith(made);
    drawWhenSeen(made);
    watchEdges(made);
    if (place.contains(named())) { place.scrollIntoView(); }
  }

  function part(content) {
    var place = document.getElementById(content[0]);
    if (!place || !place.matches("details.bl-part")) { return; }
    if (!window.DecompressionStream) {
      say(place, "This browser is too old to unpack this part; see");
      return;
    }
    unzipped(content[1]).then(function (html) { fill(place, html); });
  }

  function ask(place) {
    if (!place.open || !place.querySelector(":scope > .bl-hint")) { return; }
    say(place, "Loading, or see");
    load(place.dataset.src).catch(function () {
      say(place, "This part cannot be loaded from " + place.dataset.src + "; close and open it to try again, or see");
    });
  }

  function openNamed() {
    var place = named() && named().closest("details.bl-part");
    if (!place) { return; }
    place.open = true;
    place.scrollIntoView();
  }

  function openParts() {
    document.querySelectorAll("details.bl-part").forEach(function (place) {
      place.addEventListener("toggle", function () { ask(place); });
    });
    window.addEventListener("hashchange", openNamed);
    // A second click on one link changes no address.
    document.addEventListener("click", function (event) {
      var link = event.target.closest("a[href^='#']");
      if (link && link.hash === location.hash) { openNamed(); }
    });
    openNamed();
  }

  /* A run's data holds each text of its tables and answers once, and its place among them wherever it stands. */

  function unpacked(data) {
    function text(place) { return place === undefined ? "" : data.texts[place]; }

    function cell(value) {
      if (typeof value === "number") { return text(value); }
      return { t: text(value[0]), k: text(value[1]), s: text(value[2]), n: text(value[3]), b: value[4] };
    }

    function facet(value) { return { state: text(value[0]), sign: text(value[1]), why: text(value[2]) }; }

    function opinion(value) {
      return { by: text(value[0]), score: text(value[1]), why: text(value[2]), words: text(value[3]) };
    }

    data.sections.forEach(function (section) {
      if (section.kind === "table") {
        section.columns = section.columns.map(function (column) {
          return { label: text(column[0]), unit: text(column[1]), numeric: column[2] };
        });
        section.rows = section.rows.map(function (row) { return row.map(cell); });
      } else if (section.kind === "answers") {
        section.rows = section.rows.map(function (row) { return [row[0], row[1], text(row[2]), text(row[3])]; });
      }
    });
    return {
      answer: function (value) {
        return {
          score: text(value[0]),
          hint: text(value[1]),
          facets: value[2].map(facet),
          text: value[3].map(function (piece) { return typeof piece === "string" ? piece : piece.map(text); }),
          others: [],
          notes: [],
        };
      },
      opinions: function (value) {
        return {
          score: text(value[0]),
          others: value[1].map(opinion),
          notes: value[2].map(function (note) { return note.map(text); }),
          facets: value[3].map(function (said) { return said.map(opinion); }),
        };
      },
    };
  }

  /* What became known of a run after it: it comes before the run itself. */

  var known, lost;

  function later(data) {
    var unpack = unpacked(data);
    data.answers = data.answers.map(unpack.opinions);
    known = data;
  }

  function joined(run) {
    run.answers = run.answers.map(unpacked(run).answer);
    if (!known) { return run; }
    run.sections.splice.apply(run.sections, [run.later_at, 0].concat(known.sections));
    known.answers.forEach(function (one, place) {
      var answer = run.answers[place];
      answer.score = one.score;
      answer.others = one.others;
      answer.notes = one.notes;
      one.facets.forEach(function (said, number) { answer.facets[number].said = said; });
    });
    return run;
  }

  /* The viewer of a run. All text is set as text, never as markup. */

  var MARKS = "Marked in the answers: words by which the program found a facet met, and, with a wavy line, words that " +
    "speak against one. Most facets go by more than single words.";

  function element(tag, name, text) {
    var made = document.createElement(tag);
    if (name) { made.className = name; }
    if (text !== undefined) { made.textContent = text; }
    return made;
  }

  function link(text, address) {
    var made = element("a", "", text);
    made.href = address;
    made.setAttribute("download", "");
    return made;
  }

  function facts(rows) {
    var list = element("dl", "bl-facts");
    rows.forEach(function (row) {
      var line = element("div");
      line.append(element("dt", "", row[0]), element("dd", "", row[1]));
      list.append(line);
    });
    return list;
  }

  function cell(value, column, first) {
    var plain = typeof value === "string";
    var made = element(first ? "th" : "td", column.numeric ? "bl-number" : "");
    if (first) { made.scope = "row"; }
    made.append(plain ? value : value.t);
    if (!plain) {
      made.classList.add("bl-" + value.k);
      if (value.n) { made.append(element("sup", "bl-note", value.n)); }
      if (value.b) { made.append(element("small", "bl-best", "best")); }
      if (value.s) { made.append(element("small", "", value.s)); }
    }
    return made;
  }

  function table(section) {
    var box = element("div", "bl-scroll");
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", section.heading || section.says);
    var made = element("table", "bl-table");
    var head = element("tr");
    section.columns.forEach(function (column) {
      var heading = element("th", column.numeric ? "bl-number" : "", column.label);
      heading.scope = "col";
      if (column.unit) { heading.append(element("small", "", column.unit)); }
      head.append(heading);
    });
    var body = element("tbody");
    section.rows.forEach(function (row) {
      var line = element("tr");
      row.forEach(function (value, place) {
        line.append(cell(value, section.columns[place], place === 0 && !section.columns[0].numeric));
      });
      body.append(line);
    });
    var top = element("thead");
    top.append(head);
    made.append(top, body);
    box.append(made);
    boxes.observe(box);
    return box;
  }

  function list(rows) {
    var made = element("ul");
    rows.forEach(function (row) { made.append(element("li", "", row)); });
    return made;
  }

  function opinion(one, tag, name, quoting) {
    var made = element(tag, name + (one.words ? " bl-doubted" : ""));
    made.append(element("span", "bl-by", one.by), (one.words ? " (" + one.words + ")" : "") + ": ");
    made.append(element("b", "", one.score));
    if (one.why) { made.append(" – ", element(quoting ? "q" : "span", "", one.why)); }
    return made;
  }

  function said(pieces) {
    var made = element("div", "bl-text");
    pieces.forEach(function (piece) {
      if (typeof piece === "string") {
        made.append(piece);
        return;
      }
      var mark = element("mark", "bl-" + piece[1], piece[0]);
      mark.title = piece[2];
      made.append(mark);
    });
    return made;
  }

  function facet(one, says) {
    var made = element("li", "bl-" + one.state);
    made.append(element("span", "bl-sign", one.sign), " " + says);
    var program = element("small");
    if (one.said && one.said.length) { program.append(element("span", "bl-by", "program"), ": "); }
    program.append(one.state + ": " + one.why);
    made.append(program);
    (one.said || []).forEach(function (each) { made.append(opinion(each, "small", "bl-voice", true)); });
    return made;
  }

  function answer(one, says, times, ended) {
    var made = element("section", "bl-card");
    var head = element("p", "bl-answer-head");
    head.append(element("strong", "", one.score), element("span", "", times), element("span", "", ended));
    made.append(head);
    if (one.text.length) { made.append(said(one.text)); }
    if (one.hint) { made.append(element("p", "bl-hint", one.hint)); }
    if (one.others.length) {
      var others = element("ul", "bl-others");
      one.others.forEach(function (each) { others.append(opinion(each, "li", "", false)); });
      made.append(others);
    }
    var rubric = element("ul", "bl-facets");
    one.facets.forEach(function (each, place) { rubric.append(facet(each, says[place])); });
    made.append(rubric);
    var remarks = element("div", "bl-remarks");
    one.notes.forEach(function (note) {
      var remark = element("p");
      remark.append(element("span", "bl-by", note[0]), " remarks: ", element("q", "", note[1]));
      remarks.append(remark);
    });
    made.append(remarks);
    return made;
  }

  function answers(rows, run) {
    var made = element("div");
    var cards, last;
    made.append(element("p", "bl-context", MARKS));
    rows.forEach(function (row) {
      if (row[0] !== last) {
        last = row[0];
        cards = element("div", "bl-cards bl-heard");
        made.append(element("h4", "bl-asked", run.prompts[last].title), cards);
      }
      cards.append(answer(run.answers[row[1]], run.prompts[last].says, row[2], row[3]));
    });
    return made;
  }

  function shown(section, run) {
    if (section.kind === "facts") { return facts(section.rows); }
    if (section.kind === "answers") { return answers(section.rows, run); }
    if (section.kind === "list") { return list(section.rows); }
    return table(section);
  }

  function show(data) {
    var run = joined(data);
    var place = document.getElementById("bl-run");
    var folder = place.dataset.folder;
    place.replaceChildren();
    place.append(element("p", "bl-lead", run.id));
    var files = element("p", "bl-downloads");
    files.append(link("Result (JSON)", folder + run.json), link("Samples (CSV)", folder + run.csv));
    place.append(files);
    if (lost) { place.append(element("p", "bl-hint", "What became known after this run cannot be loaded.")); }
    run.standings.forEach(function (one) {
      place.append(element("p", "bl-callout bl-standing-" + one.kind, one.text));
    });
    run.sections.forEach(function (section) {
      if (section.fold) {
        var fold = element("details", "bl-fold");
        var summary = element("summary");
        summary.append(element("span", "", section.heading));
        summary.append(element("span", "bl-summary-score", String(section.rows.length)));
        fold.append(summary);
        fold.addEventListener("toggle", function () {
          if (fold.open && fold.children.length === 1) { fold.append(shown(section, run)); }
        });
        place.append(fold);
        return;
      }
      if (section.heading) { place.append(element("h2", "", section.heading)); }
      if (section.says) { place.append(element("p", "bl-says", section.says)); }
      place.append(shown(section, run));
      if (section.notes && section.notes.length) {
        var notes = element("ul", "bl-notes");
        section.notes.forEach(function (note) { notes.append(element("li", "", note)); });
        place.append(notes);
      }
    });
    var title = document.querySelector(".bl-page h1");
    if (title) { title.textContent = "Run of " + run.when; }
  }

  function openRun() {
    var place = document.getElementById("bl-run");
    if (!place) { return; }
    var wanted = new URLSearchParams(window.location.search).get("run") || place.dataset.newest;
    // A run's data is a script: only a path that can be one of ours is loaded, and never one that leaves the folder.
    if (!/^[a-z0-9][a-z0-9._-]*\/[A-Za-z0-9][A-Za-z0-9._-]*$/.test(wanted) || wanted.includes("..")) {
      place.replaceChildren(element("p", "bl-hint", "There is no run of that name: choose one from the list of runs."));
      return;
    }
    var first = Promise.resolve();
    if (place.dataset.later.split(" ").includes(wanted)) {
      first = load(place.dataset.laterFolder + wanted + ".js").catch(function () { lost = true; });
    }
    first.then(function () { return load(place.dataset.folder + wanted + ".js"); }).catch(function () {
      place.replaceChildren(element("p", "bl-hint", "There is no run " + wanted + ": choose one from the list of runs."));
    });
  }

  /* Files of a run are compressed. A browser that can unpacks one on its way to the reader's disk; a page from a disk
     may read no other file, and links to it as it is. */

  function keep(content, name) {
    var made = element("a");
    made.href = URL.createObjectURL(content);
    made.download = name;
    made.click();
    setTimeout(function () { URL.revokeObjectURL(made.href); }, 60000);
  }

  function plain(packed) {
    return packed.slice(0, 2).arrayBuffer().then(function (start) {
      var marks = new Uint8Array(start);
      // A server that says what the file is compressed with has the browser unpack it.
      if (marks[0] !== 0x1f || marks[1] !== 0x8b) { return packed; }
      return new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).blob();
    });
  }

  function takeAlong(event) {
    var found = event.target.closest("a[download]");
    if (!found || !found.pathname.endsWith(".gz") || found.dataset.asItIs) { return; }
    if (!window.DecompressionStream || window.location.protocol === "file:") { return; }
    event.preventDefault();
    var name = found.pathname.split("/").pop().slice(0, -".gz".length);
    fetch(found.href)
      .then(function (got) {
        if (!got.ok) { throw new Error("cannot load " + found.href); }
        return got.blob();
      })
      .then(plain)
      .then(function (content) { keep(content, name); })
      .catch(function (error) {
        console.error(error);
        found.dataset.asItIs = "yes";
        found.click();
      });
  }

  function start() {
    document.addEventListener("click", takeAlong);
    // It does not bubble.
    document.addEventListener("scroll", scrolled, true);
    drawWhenSeen(document);
    watchEdges(document);
    openParts();
    openRun();
  }

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", start);
  } else {
    start();
  }

  return { later: later, part: part, show: show };
})();
