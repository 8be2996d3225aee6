// The decision tree of Galaxy Zoo 2 (Willett et al. 2013, table 2): the table of cosmoformer/votes/tree.py, as tests/web/test_tree.py
// checks. What follows the first equals sign is JSON.

/** By name: words, and answers with the question that each leads to, "" for none. */
export const TREE = {
  "smooth-or-featured": {
    "words": "Is the galaxy simply smooth and rounded, with no sign of a disk?",
    "answers": {
      "smooth": {"words": "smooth", "next": "how-rounded"},
      "featured-or-disk": {"words": "features or disk", "next": "disk-edge-on"},
      "artifact": {"words": "star or artifact", "next": ""}
    }
  },
  "disk-edge-on": {
    "words": "Could this be a disk viewed edge-on?",
    "answers": {
      "yes": {"words": "yes", "next": "bulge-shape"},
      "no": {"words": "no", "next": "bar"}
    }
  },
  "bar": {
    "words": "Is there a sign of a bar feature through the centre of the galaxy?",
    "answers": {
      "yes": {"words": "yes", "next": "has-spiral-arms"},
      "no": {"words": "no", "next": "has-spiral-arms"}
    }
  },
  "has-spiral-arms": {
    "words": "Is there any sign of a spiral arm pattern?",
    "answers": {
      "yes": {"words": "yes", "next": "spiral-winding"},
      "no": {"words": "no", "next": "bulge-size"}
    }
  },
  "bulge-size": {
    "words": "How prominent is the central bulge, compared with the rest of the galaxy?",
    "answers": {
      "no": {"words": "no bulge", "next": "something-odd"},
      "just-noticeable": {"words": "just noticeable", "next": "something-odd"},
      "obvious": {"words": "obvious", "next": "something-odd"},
      "dominant": {"words": "dominant", "next": "something-odd"}
    }
  },
  "something-odd": {
    "words": "Is there anything odd?",
    "answers": {
      "yes": {"words": "yes", "next": "odd-feature"},
      "no": {"words": "no", "next": ""}
    }
  },
  "how-rounded": {
    "words": "How rounded is it?",
    "answers": {
      "round": {"words": "completely round", "next": "something-odd"},
      "in-between": {"words": "in between", "next": "something-odd"},
      "cigar": {"words": "cigar-shaped", "next": "something-odd"}
    }
  },
  "odd-feature": {
    "words": "Is the odd feature a ring, or is the galaxy disturbed or irregular?",
    "answers": {
      "ring": {"words": "ring", "next": ""},
      "lens-or-arc": {"words": "lens or arc", "next": ""},
      "disturbed": {"words": "disturbed", "next": ""},
      "irregular": {"words": "irregular", "next": ""},
      "other": {"words": "other", "next": ""},
      "merger": {"words": "merger", "next": ""},
      "dust-lane": {"words": "dust lane", "next": ""}
    }
  },
  "bulge-shape": {
    "words": "Does the galaxy have a bulge at its centre? If so, what shape?",
    "answers": {
      "round": {"words": "rounded", "next": "something-odd"},
      "boxy": {"words": "boxy", "next": "something-odd"},
      "no-bulge": {"words": "no bulge", "next": "something-odd"}
    }
  },
  "spiral-winding": {
    "words": "How tightly wound do the spiral arms appear?",
    "answers": {
      "tight": {"words": "tight", "next": "spiral-arm-count"},
      "medium": {"words": "medium", "next": "spiral-arm-count"},
      "loose": {"words": "loose", "next": "spiral-arm-count"}
    }
  },
  "spiral-arm-count": {
    "words": "How many spiral arms are there?",
    "answers": {
      "1": {"words": "1", "next": "bulge-size"},
      "2": {"words": "2", "next": "bulge-size"},
      "3": {"words": "3", "next": "bulge-size"},
      "4": {"words": "4", "next": "bulge-size"},
      "more-than-4": {"words": "more than four", "next": "bulge-size"},
      "cant-tell": {"words": "can't tell", "next": "bulge-size"}
    }
  }
};
