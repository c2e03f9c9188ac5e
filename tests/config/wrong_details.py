"""The same of classes, monitors, retraining, object stores and the rest."""

from tests.config.wrong_sections import MINIMAL, MONITOR, RETRAINING

MULTICLASS = MINIMAL.replace('"binary"', '"multiclass"')
CLASSES = [
    (MINIMAL, MULTICLASS.replace('score = "p"', before), message)
    for before, message in [
        ('positive = "a"', '12: models.car-loan.columns.positive is only for task = "binary"'),
        (
            "score = { a = 'p' }",
            "12: models.car-loan.columns.score must name a column for each class, of two classes at least",
        ),
        ("score = { a = 'p', b = 1 }", "12: models.car-loan.columns.score.b must be text in quotes, not 1"),
        (
            "[models.columns.score]\na = 'p'\n'b c' = 'p'",
            '14: models.car-loan.columns.score."b c" is the column p of the class a again',
        ),
    ]
]
MONITORS = [
    (
        "",
        "[models.monitors]\nmetrics = ['psi']",
        "15: models.car-loan.monitors is a list of tables: write [[models.monitors]] with double brackets",
    ),
    (
        "",
        "[[models.monitors]]",
        '15: models.car-loan.monitors[1] needs metrics or a family; write for example metrics = ["jensen_shannon"]',
    ),
    (
        "",
        MONITOR + "[[models.monitors]]\nmetric = ['x']",
        "18: models.car-loan.monitors[2].metric is not a key here; did you mean metrics?",
    ),
    (
        "",
        "[[models.monitors]]\nmetrics = ['PSI']",
        '16: models.car-loan.monitors[1].metrics[1] can only hold a-z, 0-9, _ and -, not "PSI"',
    ),
    (
        "",
        MONITOR + "family = 'drift'",
        '17: models.car-loan.monitors[1].family cannot be "drift"; did you mean data_drift or label_drift?',
    ),
    (
        "",
        MONITOR + "convention = 'nanny'",
        '17: models.car-loan.monitors[1].convention cannot be "nanny"; did you mean nannyml?',
    ),
    (
        "",
        MONITOR + "severity = 'alarm'",
        '17: models.car-loan.monitors[1].severity cannot be "alarm"; did you mean alert?',
    ),
    (
        "",
        MONITOR + "columns = []",
        '17: models.car-loan.monitors[1].columns is an empty list; leave it out, or write ["*"]',
    ),
    ("", MONITOR + "exact = 1", "17: models.car-loan.monitors[1].exact must be true or false, not 1"),
    ("", MONITOR + "min_rows = 0", "17: models.car-loan.monitors[1].min_rows must be at least 1, not 0"),
]
MONITORS += [
    ("", f"{MONITOR}threshold = {threshold}", f"17: models.car-loan.monitors[1].threshold{message}")
    for threshold, message in [
        ("0.1", ' must be a table such as { kind = "constant", upper = 0.1 }, not 0.1'),
        ("{ upper = 3 }", '.kind is missing; write for example kind = "constant"'),
        ("{ kind = 'constnat' }", '.kind cannot be "constnat"; did you mean constant?'),
        ("{ kind = 'constant' }", " needs lower, upper or both"),
        ("{ kind = 'constant', uper = 1 }", ".uper is not a key of a threshold of kind constant; did you mean upper?"),
        (
            "{ kind = 'constant', max = 1 }",
            ".max is not a key of a threshold of kind constant; the keys are kind, lower, upper, warn, consecutive",
        ),
        ("{ kind = 'constant', lower = 2, upper = 1 }", ".lower must be at most upper (1), not 2"),
        ("{ kind = 'constant', upper = inf }", ".upper must be a finite number, not inf"),
        ("{ kind = 'constant', upper = 1, warn = {} }", ".warn needs lower, upper or both"),
        (
            "{ kind = 'constant', upper = 1, warn = { upper = 2 } }",
            ".warn.upper lies beyond the alert's (1): the warning would come after the alert",
        ),
        (
            "{ kind = 'constant', lower = 0.8, warn = { lower = 0.7 } }",
            ".warn.lower lies beyond the alert's (0.8): the warning would come after the alert",
        ),
        (
            "{ kind = 'quantile', lower = 0.1, upper = 0.9, warn = 0.5 }",
            ".warn must say which side it is of: write warn = { lower = …, upper = … }",
        ),
        ("{ kind = 'quantile', upper = 99 }", ".upper must be from 0 to 1, not 99"),
        ("{ kind = 'deviation', lower = -3 }", ".lower must be at least 0, not -3"),
        ("{ kind = 'deviation', lower = 3, upper = 3, warn = '2' }", '.warn must be a number, not "2"'),
        (
            "{ kind = 'deviation', lower = 3, warn = 4 }",
            ".warn.lower lies beyond the alert's (3): the warning would come after the alert",
        ),
        ("{ kind = 'deviation', upper = 3, consecutive = 0 }", ".consecutive must be at least 1, not 0"),
        ("{ kind = 'p_value', max = 5 }", ".max must be from 0 to 1, not 5"),
        (
            "{ kind = 'p_value', warn = 0.01 }",
            ".warn lies beyond the alert's (0.05): the warning would come after the alert",
        ),
        ("{ kind = 'p_value', warn = {} }", ".warn.max is missing; write for example max = 0.1"),
        ("{ kind = 'p_value', warn = { max = 2 } }", ".warn.max must be from 0 to 1, not 2"),
        ("{ kind = 'calibrated', warn = 0.5 }", ".warn must be at least 1, not 0.5"),
        ("{ kind = 'calibrated', warn = {} }", ".warn.factor is missing; write for example factor = 10"),
        (
            "{ kind = 'interval', lower = 0.8, warn = 0.9 }",
            ".warn is not a key of a threshold of kind interval; the keys are kind, lower, upper, consecutive",
        ),
        ("{ kind = 'rate', margin = -1 }", ".margin must be at least 0, not -1"),
    ]
]
OTHERS = [
    (
        "",
        "[[models.business]]\nsql = '1'",
        '15: models.car-loan.business[1].id is missing; write for example id = "profit"',
    ),
    (
        "",
        "[[models.business]]\nid = 'p'",
        '15: models.car-loan.business[1].sql is missing; write for example sql = "sum(amount)"',
    ),
    (
        "",
        "[[models.business]]\nid = 'p'\nsql = '1'\nhigher_is = 'good'",
        '18: models.car-loan.business[1].higher_is cannot be "good"; it can be better, worse, neither',
    ),
    (
        "",
        "[[models.business]]\nid = 'p'\nsql = '1'\n[[models.business]]\nid = 'p'\nsql = '2'",
        "19: models.car-loan.business[2].id is p a second time",
    ),
    (
        "",
        "[models.alerting]\nfalse_alarms_per_month = 0",
        "16: models.car-loan.alerting.false_alarms_per_month must be above 0, not 0",
    ),
    (
        "",
        "[models.alerting]\nfalse_alarms = 1",
        "16: models.car-loan.alerting.false_alarms is not a key here; did you mean false_alarms_per_month?",
    ),
    (
        "",
        "[models.business_value]\nmatrix = [[0, 1]]",
        "16: models.car-loan.business_value.matrix must have a row and a column for each class, not 1 rows of 2 numbers",
    ),
    (
        "",
        "[models.business_value]\nmatrix = [1]",
        "16: models.car-loan.business_value.matrix must be a list of rows such as [[0, -1], [-2, 3]], not a list",
    ),
    (
        "",
        "[models.business_value]\nmatrix = [[0, 1],\n[2, true]]",
        "17: models.car-loan.business_value.matrix[2][2] must be a number, not true",
    ),
    (
        "",
        "[models.business_value]\nmatrix = [[0, 1, 2], [0, 1, 2], [0, 1, 2]]",
        "16: models.car-loan.business_value.matrix must have 2 rows and 2 columns for a binary model, not 3",
    ),
    (
        "",
        f"[models.business_value]\nmatrix = [[0, 1], [2, 1{'0' * 400}]]",
        "16: models.car-loan.business_value.matrix[2][2] is too large a number",
    ),
    (
        MINIMAL,
        MINIMAL.replace('"binary"', '"regression"').replace("score", "prediction")
        + "[models.business_value]\nmatrix = []",
        '15: models.car-loan.business_value is only for task = "binary" or "multiclass"',
    ),
    (
        "",
        "[[models.expectations]]\nmin = 0",
        '15: models.car-loan.expectations[1].column is missing; write for example column = "age"',
    ),
    (
        "",
        "[[models.expectations]]\ncolumn = 'a'",
        "15: models.car-loan.expectations[1] expects nothing of a: add one of type, not_null, unique, allowed, min, max, pattern, "
        "max_missing_rate, max_unseen_rate",
    ),
]
OTHERS += [
    ("", f"[[models.expectations]]\ncolumn = 'a'\n{line}", f"17: models.car-loan.expectations[1].{message}")
    for line, message in [
        ("type = 'int'", 'type cannot be "int"; did you mean integer?'),
        ("allowed = 'x'", 'allowed must be a list such as ["a", "b"], not "x"'),
        ("allowed = []", "allowed is an empty list: no value would do"),
        ("allowed = [{}]", "allowed[1] must be text, a number, true or false, not a table"),
        ("min = '0'", 'min must be a number, not "0"'),
        ("max_missing_rate = 5", "max_missing_rate must be from 0 to 1, not 5"),
        ("not_null = 'yes'", 'not_null must be true or false, not "yes"'),
        ("max = 0\nmin = 1", "max must be at least min (1), not 0"),
    ]
]
WORKSHOP = [
    (
        "",
        "[models.retraining]\ncwd = '.'",
        "15: models.car-loan.retraining needs one of command, http; "
        'write for example command = ["{python}", "train.py", "--run", "{run_folder}"]',
    ),
    (
        "",
        "[models.retraining]\ncommand = 'python \"my train.py\" --run {run_folder}'",
        "16: models.car-loan.retraining.command must be a list of arguments, no shell line: "
        'write command = ["python", "my train.py", "--run", "{run_folder}"]',
    ),
    (
        "",
        '[models.retraining]\ncommand = "it\'s a pity"',
        "16: models.car-loan.retraining.command must be a list of arguments, no shell line: "
        'write command = ["it\'s", "a", "pity"]',
    ),
    (
        "",
        "[models.retraining]\ncommand = 1",
        '16: models.car-loan.retraining.command must be a list of arguments such as ["{python}", "train.py"], not 1',
    ),
    (
        "",
        "[models.retraining]\ncommand = []",
        '16: models.car-loan.retraining.command is an empty list; write for example command = ["{python}", "train.py", "--run", "{run_folder}"]',
    ),
    (
        "",
        "[models.retraining]\ncommand = ['', 'x']",
        "16: models.car-loan.retraining.command[1] is empty: the first argument is the program",
    ),
    (
        "",
        "[models.retraining]\ncommand = ['x', 1]",
        "16: models.car-loan.retraining.command[2] must be text in quotes, not 1",
    ),
    (
        "",
        '[models.retraining]\ncommand = ["x\\u0000"]',
        "16: models.car-loan.retraining.command[1] holds a NUL character",
    ),
    (
        "",
        "[models.retraining]\ncommand = ['x',\n'{run_foldr}']",
        "17: models.car-loan.retraining.command[2] has an unknown placeholder {run_foldr}; did you mean run_folder?",
    ),
    (
        "",
        "[models.retraining]\ncommand = ['echo', '${HOME}']",
        "16: models.car-loan.retraining.command[2] has an unknown placeholder {HOME}; "
        "the placeholders are python, workspace, model, run_id, run_folder, reason",
    ),
]
WORKSHOP += [
    ("", f"{RETRAINING}{line}", f"17: models.car-loan.retraining.{message}")
    for line, message in [
        ("http = { url = 'https://a' }", "http cannot stand beside command: only one of command, http can be chosen"),
        ("cwd = '{workspace}'", "cwd has an unknown placeholder {workspace}; there are none here"),
        ("timeout = '2 hours'", 'timeout must be a duration such as "90s", "10m", "2h", "30d" or "1w", not "2 hours"'),
        ("timeout = '0s'", "timeout must be longer than nothing; leave it out for no timeout"),
        ("cooldown = 6", 'cooldown must be a duration such as "90s", "10m", "2h", "30d" or "1w", not 6'),
        ("max_runs_per_day = 0", "max_runs_per_day must be at least 1, not 0"),
        ("environment = 'PATH'", 'environment must be a table, not "PATH"'),
        ("environment = { pas = [] }", "environment.pas is not a key here; did you mean pass?"),
        ("environment = { pass = ['A=B'] }", 'environment.pass[1] cannot name a variable: "A=B"'),
        ("environment = { set = { A = 1 } }", "environment.set.A must be text in quotes, not 1"),
        (
            "environment = { set = { T = 'x' }, secrets = ['T'] }",
            "environment.secrets[1] names T, which set gives a value: a secret is never written here",
        ),
    ]
]
WORKSHOP += [
    ("", f"[models.retraining]\nhttp = {http}", f"16: models.car-loan.retraining.http{message}")
    for http, message in [
        ("'https://a'", ' must be a table, not "https://a"'),
        ("{ method = 'POST' }", '.url is missing; write for example url = "https://trainer.example/runs"'),
        ("{ url = 'ftp://a' }", '.url must be an address that begins with https:// or http://, not "ftp://a"'),
        ("{ url = 'https://a', method = 'DELETE' }", '.method cannot be "DELETE"; it can be POST, PUT, GET'),
        (
            "{ url = 'https://a', headers = { Authorization = 'Bearer {TOKEN}' } }",
            ".headers.Authorization has an unknown placeholder {TOKEN}; "
            "the placeholders are python, workspace, model, run_id, run_folder, reason",
        ),
    ]
]
WORKSHOP += [
    (
        "",
        "[[models.triggers]]\nkind = 'data'",
        "15: models.car-loan.triggers have nothing to start: add [models.retraining] with a command",
    ),
]
WORKSHOP += [
    ("", f"{RETRAINING}[[models.triggers]]\n{trigger}", f"{line}: models.car-loan.triggers[1]{message}")
    for trigger, line, message in [
        ("armed = true", 17, '.kind is missing; write for example kind = "schedule"'),
        ("kind = 'cron'", 18, '.kind cannot be "cron"; it can be schedule, data, alert'),
        ("kind = 'schedule'", 17, '.cron is missing; write for example cron = "0 2 * * 1"'),
        (
            "kind = 'schedule'\ncron = '0 25 * * *'",
            19,
            '.cron is no time plan such as "0 2 * * 1": "0 25 * * *" ([0 25 * * *] is not acceptable, out of range)',
        ),
        (
            "kind = 'schedule'\ncron = 'daily'",
            19,
            '.cron is no time plan such as "0 2 * * 1": "daily" (it needs five fields: minute, hour, day, month, weekday)',
        ),
        (
            "kind = 'schedule'\ncron = '0 2 * * 1'\ntimezone = 'Berlin'",
            20,
            '.timezone is no time zone: "Berlin"; did you mean Europe/Berlin?',
        ),
        ("kind = 'data'", 17, " needs min_new_rows or min_new_labels; write for example min_new_rows = 10000"),
        ("kind = 'data'\nmin_new_rows = 0", 19, ".min_new_rows must be at least 1, not 0"),
        (
            "kind = 'data'\nmin_new_rows = 1\ncron = '0 2 * * 1'",
            20,
            ".cron is not a key of a trigger of kind data; the keys are min_new_rows, min_new_labels",
        ),
        ("kind = 'alert'\nmetric = 'ROC AUC'", 19, '.metric can only hold a-z, 0-9, _ and -, not "ROC AUC"'),
        ("kind = 'alert'\narmed = 'no'", 19, '.armed must be true or false, not "no"'),
        ("kind = 'alert'\nmin_rows = 1", 19, ".min_rows is not a key here; did you mean min_new_rows?"),
    ]
]
WORKSHOP += [
    ("", f"[models.gate]\n{gate}", f"{line}: models.car-loan.gate{message}")
    for gate, line, message in [
        (
            "criteria = [{ metric = 'f1', min = 0 }]",
            15,
            '.candidate is missing; write for example candidate = "{run_folder}/candidate.parquet"',
        ),
        ("candidate = '{folder}'", 16, ".candidate has an unknown placeholder {folder}; did you mean run_folder?"),
        ("criteria = [{ metric = 'f1' }]", 16, ".criteria[1] asks nothing of f1: add min, max or min_gain"),
        ("criteria = [{ min = 1 }]", 16, '.criteria[1].metric is missing; write for example metric = "roc_auc"'),
        ("criteria = [{ metric = 'f1', min = 1, max = 0 }]", 16, ".criteria[1].min must be at most max (0), not 1"),
        (
            "criteria = { metric = 'f1' }",
            16,
            ".criteria is a list of tables: write [[models.gate.criteria]] with double brackets",
        ),
        ("promote = {}", 16, ".promote needs a command, mlflow or both"),
        (
            "promote = { command = 'python promote.py' }",
            16,
            '.promote.command must be a list of arguments, no shell line: write command = ["python", "promote.py"]',
        ),
        (
            "promote = { mlflow = { alias = 'a' } }",
            16,
            '.promote.mlflow.name is missing; write for example name = "car-loan"',
        ),
        ("promote = { mlflow = { name = 1 } }", 16, ".promote.mlflow.name must be text in quotes, not 1"),
    ]
]

LOGS_PATH, ON_S3 = 'path = "logs"', 'path = "s3://b/logs"'
SECRETS = (
    "credentials do not belong into desk.toml: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment,"
    " or name a profile of ~/.aws in AWS_PROFILE"
)
SCHEMES = "which is none of s3://, gs://, abfs://, abfss://"
OPTIONS = "has options behind a question mark: write region and endpoint as keys beside path"
ONLY = "is only for paths in an object store, such as s3://bucket/logs: leave it out"
OBJECTS = [
    (LOGS_PATH, 'path = "hdfs://b/logs"', f"6: models.car-loan.logs.path begins with hdfs://, {SCHEMES}: copy the files to a folder"),
    (LOGS_PATH, 'path = ["a", "s3a://b/logs"]', f"6: models.car-loan.logs.path[2] begins with s3a://, {SCHEMES}: write s3://"),
    (LOGS_PATH, 'path = "file:///logs"', "6: models.car-loan.logs.path is a file of this machine: write its path without file://"),
    (LOGS_PATH, 'path = "s3:///logs"', "6: models.car-loan.logs.path names no bucket: write for example s3://my-bucket/logs/*.parquet"),
    (LOGS_PATH, 'path = "s3://b*/logs"', "6: models.car-loan.logs.path has a pattern in place of the bucket's name: name one bucket in each path"),
    (LOGS_PATH, 'path = "s3://AKID:hush@b/logs"', f"6: models.car-loan.logs.path names a user before the bucket; {SECRETS}"),
    (LOGS_PATH, 'path = "s3://b/logs?secret_key=hush"', f"6: models.car-loan.logs.path {OPTIONS}; {SECRETS}"),
    (LOGS_PATH, 'path = "abfs://c/logs"', "6: models.car-loan.logs.path must name container and account, as in abfs://container@account.dfs.core.windows.net/logs"),
    (LOGS_PATH, f'{ON_S3}\nsecret_key = "hush"', f"7: models.car-loan.logs.secret_key is a secret; {SECRETS}"),
    (LOGS_PATH, f'{LOGS_PATH}\nregion = "eu-west-1"', f"7: models.car-loan.logs.region {ONLY}"),
    (LOGS_PATH, f'{ON_S3}\nendpoint = "localhost"', '7: models.car-loan.logs.endpoint must be an address such as "https://storage.example.com:9000"'),
    (LOGS_PATH, f'{ON_S3}\nendpoint = "http://me:hush@host"', '7: models.car-loan.logs.endpoint must be an address such as "https://storage.example.com:9000"'),
    (LOGS_PATH, f'{ON_S3}\nanonymous = "yes"', '7: models.car-loan.logs.anonymous must be true or false, not "yes"'),
    (LOGS_PATH, 'path = "gs://b/logs"\nregion = "x"', "7: models.car-loan.logs.region is only for s3://: leave it out"),
    (LOGS_PATH, 'path = "abfs://c@a.b.c/logs"\nanonymous = true',
     "7: models.car-loan.logs.anonymous is only for s3:// and gs://: set AZURE_STORAGE_SAS_TOKEN in the environment"),
    ('path = "reference.parquet"', "previous_chunks = 3\nregion = 'x'", f"9: models.car-loan.reference.region {ONLY}"),
    ("", "[store]\nobjects = '5'", '16: store.objects must be a size such as "500MB", "20GB" or "1.5TB", not "5"'),
    ("", "[store]\nobjects = '0GB'", '16: store.objects must be a size such as "500MB", "20GB" or "1.5TB", not "0GB"'),
]  # fmt: skip
