"""Changes of a small desk.toml that are wrong in its format, models, rows and columns, with what is said of each: (old, new, message)."""

MINIMAL = """\
version = 1
[[models]]
id = "car-loan"
task = "binary"
[models.logs]
path = "logs"
[models.reference]
path = "reference.parquet"
[models.columns]
timestamp = "t"
id = "id"
score = "p"
[models.chunks]
every = "1d"
"""
RETRAINING = '[models.retraining]\ncommand = ["python"]\n'
MONITOR = '[[models.monitors]]\nmetrics = ["psi"]\n'
SECOND = '[[models]]\nid = "second"\n'

FORMAT = [
    ("version = 1", "version = ", "1: this is not TOML: invalid value (column 11)"),
    ("version = 1", "version 1", "1: this is not TOML: expected '=' after a key in a key/value pair (column 9)"),
    ('id = "id"', 'id = "id', "11: this is not TOML: illegal character '\\n' (column 9)"),
    ('id = "id"', 'id = "id"\nid = "x"', "12: this is not TOML: cannot overwrite a value (column 9)"),
    ("", '"unfinished', "15: this is not TOML: unterminated string"),
    (
        "version = 1",
        "version = " + "9" * 5000,
        "1: a whole number has too many digits to be read",
    ),
    ("", "a = " + "[" * 5000, "1: lists are nested too deeply to be read"),
    ("version = 1\n", "", "1: version is missing; write for example version = 1"),
    ("version = 1", "version = 2", "1: version 2 is newer than this program knows (1): update MLOps Desk"),
    ("version = 1", "version = 0", "1: version must be at least 1, not 0"),
    ("version = 1", "version = true", "1: version must be a whole number, not true"),
    ("version = 1", 'version = "1"', '1: version must be a whole number, not "1"'),
    ("version = 1", "version = 1\nnmae = 'x'", "2: nmae is not a key here; did you mean name?"),
    ("version = 1", "version = 1\nname = ' '", "2: name is empty"),
    ("version = 1", "version = 1\nq = 1", "2: q is not a key here; the keys are version, name, models, store"),
    ("", "[stoer]\nkeep = '1d'", "15: stoer is not a key here; did you mean store?"),
    ("", "[store]\nkeep = '5h'", '16: store.keep must be whole days up to a century, such as "400d", not "5h"'),
    ("", "[store]\nkeep = 400", '16: store.keep must be a duration such as "90s", "10m", "2h", "30d" or "1w", not 400'),
    ("", "[store]\nKEEP = '1d'", "16: store.KEEP is not a key here; did you mean keep?"),
]
MODELS = [
    ("[[models]]", "[models]", "2: models is a list of tables: write [[models]] with double brackets"),
    (MINIMAL, "version = 1\n", '1: models are missing: add [[models]] with id = "car-loan"'),
    (MINIMAL, "version = 1\nmodels = []", '2: models are missing: add [[models]] with id = "car-loan"'),
    (MINIMAL, "version = 1\nmodels = [\n1]", "3: models[1] must be a table, not 1"),
    (MINIMAL, "version = 1\nmodels = 'x'", '2: models must be a list of tables, not "x"'),
    ('id = "car-loan"\n', "", '2: models[1].id is missing; write for example id = "car-loan"'),
    ('id = "car-loan"', 'id = "Car loan"', '3: models[1].id can only hold a-z, 0-9 and -, not "Car loan"'),
    ('id = "car-loan"', "id = 7", "3: models[1].id must be text in quotes, not 7"),
    ("", MINIMAL[12:], "16: models[2].id is car-loan a second time: every model needs an id of its own"),
    ('task = "binary"', 'taks = "binary"', "4: models.car-loan.taks is not a key here; did you mean task?"),
    (
        'task = "binary"',
        'task = "classification"',
        '4: models.car-loan.task cannot be "classification"; it can be binary, multiclass, regression',
    ),
    (
        'task = "binary"',
        'task = "Binary"',
        '4: models.car-loan.task cannot be "Binary"; did you mean binary?',
    ),
    ("", SECOND, '15: models.second.logs is missing; write for example [models.logs] with path = "logs/**/*.parquet"'),
]
ROWS = [
    (
        "[models.logs]",
        "[[models.logs]]",
        "5: models.car-loan.logs is one table: write [models.logs] with single brackets, once",
    ),
    ('path = "logs"\n', "", '5: models.car-loan.logs.path is missing; write for example path = "logs/**/*.parquet"'),
    (
        'path = "logs"',
        "path = []",
        '6: models.car-loan.logs.path is an empty list; write for example path = "logs/**/*.parquet"',
    ),
    ('path = "logs"', 'path = ["a",\n1]', "7: models.car-loan.logs.path[2] must be text in quotes, not 1"),
    ('path = "logs"', 'path = ["a",\n"a"]', '7: models.car-loan.logs.path[2] is "a" a second time'),
    ('path = "logs"', 'path = "a\\u0000"', "6: models.car-loan.logs.path holds a NUL character"),
    (
        "[models.reference]\npath",
        "[models.reference]\npaht",
        "8: models.car-loan.reference.paht is not a key here; did you mean path?",
    ),
    (
        '[models.reference]\npath = "reference.parquet"\n',
        "",
        '2: models.car-loan.reference is missing; write for example [models.reference] with path = "reference.parquet"',
    ),
    (
        'path = "reference.parquet"\n',
        "",
        "7: models.car-loan.reference needs one of path, from, rolling, previous_chunks, expanding; "
        'write for example path = "reference.parquet"',
    ),
    (
        'path = "reference.parquet"',
        'path = "reference.parquet"\nrolling = "30d"',
        "9: models.car-loan.reference.rolling cannot stand beside path: only one of path, from, rolling, previous_chunks, "
        "expanding can be chosen",
    ),
    (
        'path = "reference.parquet"',
        "from = 2018-01-01",
        "7: models.car-loan.reference.to is missing; write for example to = 2018-11-01 (rows of that time are analysis already)",
    ),
    (
        'path = "reference.parquet"',
        "to = 2018-01-01",
        "8: models.car-loan.reference.to needs a from beside it; write for example from = 2018-01-01",
    ),
    (
        'path = "reference.parquet"',
        "from = 2018-01-01\nto = 2018-01-01T00:00:00",
        "9: models.car-loan.reference.to must be later than from (2018-01-01T00:00:00), not 2018-01-01T00:00:00",
    ),
    (
        'path = "reference.parquet"',
        "from = '01.02.2018'\nto = 2018-01-01",
        "8: models.car-loan.reference.from must be a date or a time such as 2018-01-31 or 2018-01-31T06:00:00Z, "
        'not "01.02.2018"',
    ),
    (
        'path = "reference.parquet"',
        "from = 2018-01-01\nto = 06:00:00",
        "9: models.car-loan.reference.to must be a date or a time such as 2018-01-31 or 2018-01-31T06:00:00Z, not 06:00:00",
    ),
    (
        'path = "reference.parquet"',
        "from = 2018-01-01\nto = '2018-02-30'",
        "9: models.car-loan.reference.to must be a date or a time such as 2018-01-31 or 2018-01-31T06:00:00Z, "
        'not "2018-02-30"',
    ),
    (
        'path = "reference.parquet"',
        "rolling = '30 days'",
        '8: models.car-loan.reference.rolling must be a period such as "1h", "6h", "1d", "1w", "1mo", "1q" or "1y", '
        'not "30 days"',
    ),
    (
        'path = "reference.parquet"',
        "previous_chunks = 0",
        "8: models.car-loan.reference.previous_chunks must be at least 1, not 0",
    ),
    (
        'path = "reference.parquet"',
        "expanding = false",
        "8: models.car-loan.reference.expanding can only be true; leave it out to choose another reference",
    ),
    (
        'timestamp = "t"\n',
        "",
        "13: models.car-loan.chunks.every needs to know the times of the rows: name the column in columns.timestamp",
    ),
    (
        'path = "reference.parquet"\n[models.columns]\ntimestamp = "t"\nid = "id"\nscore = "p"\n[models.chunks]\nevery = "1d"',
        'rolling = "7d"\n[models.columns]\nid = "id"\n[models.chunks]\nsize = 10',
        "8: models.car-loan.reference.rolling needs to know the times of the rows: name the column in columns.timestamp",
    ),
    (
        'path = "reference.parquet"\n[models.columns]\ntimestamp = "t"\nid = "id"\nscore = "p"\n[models.chunks]\nevery = "1d"',
        'rolling = "7d"\n[models.columns]\ntimestamp = "t"\n[models.chunks]\nsize = 10',
        "8: models.car-loan.reference.rolling needs chunks of time: cut by chunks.every, or take previous_chunks = 7 or "
        "expanding = true instead",
    ),
    (
        'path = "reference.parquet"\n[models.columns]\ntimestamp = "t"\nid = "id"\nscore = "p"\n[models.chunks]\nevery = "1d"',
        'rolling = "30d"\n[models.columns]\ntimestamp = "t"\n[models.chunks]\nevery = "1mo"',
        "8: models.car-loan.reference.rolling is shorter than a chunk (1mo), so no chunk lies in it: make it longer",
    ),
    (
        "",
        "[models.labels]\npath = 'x'\nkey = 'id'",
        '15: models.car-loan.labels.target is missing; write for example target = "label"',
    ),
    (
        "",
        "[models.labels]\npath = 'x'\nkey = 3\ntarget = 'y'",
        "17: models.car-loan.labels.key must be text in quotes, not 3",
    ),
    (
        'id = "id"\nscore = "p"\n[models.chunks]\nevery = "1d"\n',
        'score = "p"\n[models.chunks]\nevery = "1d"\n[models.labels]\npath = "x"\nkey = "id"\ntarget = "y"',
        "16: models.car-loan.labels.key has nothing to be joined to: name the log's column of ids in columns.id",
    ),
    (
        'every = "1d"\n',
        "",
        '13: models.car-loan.chunks needs one of every, size, number; write for example every = "1d"',
    ),
    (
        'every = "1d"',
        'every = "1d"\nsize = 5000',
        "15: models.car-loan.chunks.size cannot stand beside every: only one of every, size, number can be chosen",
    ),
    (
        'every = "1d"',
        'every = "daily"',
        '14: models.car-loan.chunks.every must be a period such as "1h", "6h", "1d", "1w", "1mo", "1q" or "1y", not "daily"',
    ),
    (
        'every = "1d"',
        "every = 1",
        '14: models.car-loan.chunks.every must be a period such as "1h", "6h", "1d", "1w", "1mo", "1q" or "1y", not 1',
    ),
    ('every = "1d"', "size = 0", "14: models.car-loan.chunks.size must be at least 1, not 0"),
    ('every = "1d"', "size = 5e3", "14: models.car-loan.chunks.size must be a whole number, not 5000.0"),
    ('every = "1d"', f"number = {2**63}", f"14: models.car-loan.chunks.number must be a smaller number, not {2**63}"),
    (
        'every = "1d"',
        'every = "1d"\nincomplete = "keeps"',
        '15: models.car-loan.chunks.incomplete cannot be "keeps"; did you mean keep?',
    ),
    (
        'every = "1d"',
        'every = "1d"\ntimezone = "Europe/Berlim"',
        '15: models.car-loan.chunks.timezone is no time zone: "Europe/Berlim"; did you mean Europe/Berlin?',
    ),
    (
        'every = "1d"',
        'every = "1d"\ntimezone = "New York"',
        '15: models.car-loan.chunks.timezone is no time zone: "New York"; did you mean America/New_York?',
    ),
    (
        'every = "1d"',
        'every = "1d"\ntimezone = "../secret"',
        '15: models.car-loan.chunks.timezone is no time zone: "../secret"; names are such as UTC, Europe/Berlin, America/New_York',
    ),
    (
        'every = "1d"',
        'every = "1d"\ntimezone = "Europe"',
        '15: models.car-loan.chunks.timezone is no time zone: "Europe"; did you mean Europe/Rome or Europe/Riga?',
    ),
]
COLUMNS = [
    (
        'timestamp = "t"',
        'timestmap = "t"',
        "10: models.car-loan.columns.timestmap is not a key here; did you mean timestamp?",
    ),
    ('id = "id"', "id = 1", "11: models.car-loan.columns.id must be text in quotes, not 1"),
    ('id = "id"', "numeric = 'age'", '11: models.car-loan.columns.numeric must be a list: write numeric = ["age"]'),
    ('id = "id"', "numeric = {}", "11: models.car-loan.columns.numeric must be a list of texts, not a table"),
    (
        'id = "id"',
        'numeric = ["a"]\ncategorical = ["b",\n"a"]',
        "13: models.car-loan.columns.categorical[2] names a, which numeric names too",
    ),
    ('id = "id"', 'ignore = ["t"]', "11: models.car-loan.columns.ignore[1] names t, which timestamp names too"),
    ('id = "id"', 'ignore = ["p"]', "11: models.car-loan.columns.ignore[1] names p, which score names too"),
    (
        'id = "id"',
        'segments = ["a"]\nignore = ["a"]',
        "12: models.car-loan.columns.ignore[1] names a, which segments names too",
    ),
    (
        'id = "id"',
        'protected = ["a×"]',
        "11: models.car-loan.columns.protected[1] must join different columns by ×, as in sex×race",
    ),
    (
        'id = "id"',
        'protected = ["a×a"]',
        "11: models.car-loan.columns.protected[1] must join different columns by ×, as in sex×race",
    ),
    ('id = "id"', 'protected = ["a × b"]', "11: models.car-loan.columns.protected[1] has blanks around ×: write a×b"),
    (
        'id = "id"',
        "positive = [1]",
        "11: models.car-loan.columns.positive must be text, a number, true or false, not a list",
    ),
    ('id = "id"', "positive = nan", "11: models.car-loan.columns.positive must be a finite number, not nan"),
    (
        'id = "id"',
        "decision_threshold = '1'",
        '11: models.car-loan.columns.decision_threshold must be a number, not "1"',
    ),
    (
        'score = "p"',
        "decision_threshold = 0.5",
        "12: models.car-loan.columns.decision_threshold needs a score to hold against it: name the column in columns.score",
    ),
    (
        'score = "p"',
        'score = { yes = "a", no = "b" }',
        '12: models.car-loan.columns.score names one column unless the task is "multiclass": write score = "p"',
    ),
    (
        'task = "binary"\n',
        "",
        '11: models.car-loan.columns.score needs a task: add task = "binary", "multiclass" or "regression" to the model',
    ),
    (
        'task = "binary"',
        'task = "regression"',
        "12: models.car-loan.columns.score is not for a regression: its number is the prediction",
    ),
    (
        'task = "binary"',
        'task = "multiclass"',
        "12: models.car-loan.columns.score must name a column for each class of a multiclass model: "
        'write score = { yes = "p_yes", no = "p_no" }',
    ),
]
