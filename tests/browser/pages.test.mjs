// The pages in a real browser: one browser and one district, which every part finds as the one before it left it.

import "./looks.mjs";
import "./daily.mjs";
import "./live.mjs";
import "./keys.mjs";
import "./narrow.mjs";
import "./paper.mjs";
import "./administration.mjs";
