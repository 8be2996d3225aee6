// The decision tree of Galaxy Zoo 2 (Willett et al. 2013, table 2): the table of cosmoformer/votes/tree.py, as tests/web/test_tree.py
// checks. What follows the first equals sign is JSON.

/** By name: words, and of each answer its words and the question that it leads to, "" for none. */
export const TREE = {
  "smooth-or-featured": {
    "words": "Is the galaxy simply smooth and rounded, with no sign of a disk?",
    "answers": {
      "smooth": ["smooth", "how-rounded"],
      "featured-or-disk": ["features or disk", "disk-edge-on"],
      "artifact": ["star or artifact", ""]
    }
  },
  "disk-edge-on": {
    "words": "Could this be a disk viewed edge-on?",
    "answers": {
      "yes": ["yes", "bulge-shape"],
      "no": ["no", "bar"]
    }
  },
  "bar": {
    "words": "Is there a sign of a bar feature through the centre of the galaxy?",
    "answers": {
      "yes": ["yes", "has-spiral-arms"],
      "no": ["no", "has-spiral-arms"]
    }
  },
  "has-spiral-arms": {
    "words": "Is there any sign of a spiral arm pattern?",
    "answers": {
      "yes": ["yes", "spiral-winding"],
      "no": ["no", "bulge-size"]
    }
  },
  "bulge-size": {
    "words": "How prominent is the central bulge, compared with the rest of the galaxy?",
    "answers": {
      "no": ["no bulge", "something-odd"],
      "just-noticeable": ["just noticeable", "something-odd"],
      "obvious": ["obvious", "something-odd"],
      "dominant": ["dominant", "something-odd"]
    }
  },
  "something-odd": {
    "words": "Is there anything odd?",
    "answers": {
      "yes": ["yes", "odd-feature"],
      "no": ["no", ""]
    }
  },
  "how-rounded": {
    "words": "How rounded is it?",
    "answers": {
      "round": ["completely round", "something-odd"],
      "in-between": ["in between", "something-odd"],
      "cigar": ["cigar-shaped", "something-odd"]
    }
  },
  "odd-feature": {
    "words": "Is the odd feature a ring, or is the galaxy disturbed or irregular?",
    "answers": {
      "ring": ["ring", ""],
      "lens-or-arc": ["lens or arc", ""],
      "disturbed": ["disturbed", ""],
      "irregular": ["irregular", ""],
      "other": ["other", ""],
      "merger": ["merger", ""],
      "dust-lane": ["dust lane", ""]
    }
  },
  "bulge-shape": {
    "words": "Does the galaxy have a bulge at its centre? If so, what shape?",
    "answers": {
      "round": ["rounded", "something-odd"],
      "boxy": ["boxy", "something-odd"],
      "no-bulge": ["no bulge", "something-odd"]
    }
  },
  "spiral-winding": {
    "words": "How tightly wound do the spiral arms appear?",
    "answers": {
      "tight": ["tight", "spiral-arm-count"],
      "medium": ["medium", "spiral-arm-count"],
      "loose": ["loose", "spiral-arm-count"]
    }
  },
  "spiral-arm-count": {
    "words": "How many spiral arms are there?",
    "answers": {
      "1": ["1", "bulge-size"],
      "2": ["2", "bulge-size"],
      "3": ["3", "bulge-size"],
      "4": ["4", "bulge-size"],
      "more-than-4": ["more than four", "bulge-size"],
      "cant-tell": ["can't tell", "bulge-size"]
    }
  }
};
