// DATABASE MODE COUNT, by better-sqlite3, which brings a SQLite of its own.
const Database = require("better-sqlite3");
const [path, mode, count] = process.argv.slice(2);
const connection = new Database(path, { timeout: 20000 });
connection.pragma(`journal_mode=${mode}`);
connection.exec("CREATE TABLE IF NOT EXISTS t(x)");
const insert = connection.prepare("INSERT INTO t VALUES(?)");
const transaction = connection.transaction((value) => insert.run(value));
for (let i = 0; i < Number(count); i++) transaction.immediate(1);
console.log(connection.prepare("SELECT count(*) FROM t").get());
connection.close();
