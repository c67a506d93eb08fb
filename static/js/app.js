// What every page needs. Pages work without any of it; it makes them quicker.
import "./copy.js";
import "./dialog.js";
import "./install.js";
import "./live-clock.js";
import "./live.js";
import "./menu.js";
import "./palette.js";
import "./shortcuts.js";
import "./theme.js";
import "./toast.js";
