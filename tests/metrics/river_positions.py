"""Where River 0.26.1 (module drift, its defaults, KSWIN at 1e-4) finds drift and enters warning zones: rows from 0."""

RIVER_CAR_LOAN: dict[str, tuple[int, list[int]]] = {
    "ddm": (3, [27897, 27934, 28108]), "eddm": (37, [413, 976, 1483, 1971, 5319, 5873, 6392, 6803, 8058, 8729]),
    "hddm_a": (1, [30849]), "hddm_w": (0, []), "page_hinkley": (1, [25773]), "adwin": (1, [26943]), "kswin": (0, []),
}  # fmt: skip
"""How many drifts River 0.26.1 finds in the errors of the car loan sample after its reference, and the first of them."""
RIVER_CAR_LOAN_WARNINGS = {
    "ddm": (50, [246, 341, 349, 361, 369, 388, 413, 435, 6973, 6987]), "hddm_a": (1, [29370]), "hddm_w": (0, []),
    "eddm": (46, [1946, 2459, 2738, 2908, 2976, 3717, 4723, 7163, 7519, 7644]),
}  # fmt: skip
RIVER_HALVES = {
    "ddm": ([1334], [1084, 1086, 1095, 1492, 1500, 1504, 1511, 1534, 1644, 1652, 1809, 1856, 1859, 1863]),
    "eddm": ([103, 255, 328, 618, 690, 745, 798, 942, 1014, 1068],
             [61, 74, 202, 225, 319, 443, 557, 564, 797, 850, 855, 860, 914, 1004, 1108, 1122]),
    "hddm_a": ([1206], [451, 1127, 1132, 1134]), "hddm_w": ([1077], [451, 923, 953, 962, 1059, 1070, 1074]),
    "page_hinkley": ([1233], []), "adwin": ([1279], []), "kswin": ([], []),
}  # fmt: skip
"""On the stream of its documentation: half of 1,000 rows wrong, then 70 %."""
RIVER_RUNS = {
    "ddm": [500, 952], "eddm": [530, 961], "hddm_a": [503, 944], "hddm_w": [510, 953], "page_hinkley": [979],
    "adwin": [511, 607, 959],
}  # fmt: skip
RIVER_JUMP = {"page_hinkley": [1006], "adwin": [1023], "kswin": [1016]}
RIVER_SCALES = {
    "page_hinkley": [1396, 1767, 3132, 3477, 4104, 4721, 5133, 5404, 5553, 5761, 6048], "adwin": [3167, 6111],
}  # fmt: skip
