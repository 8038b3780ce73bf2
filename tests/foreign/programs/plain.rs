// DATABASE MODE COUNT, by the C interface from Rust, a thread for each half of the transactions.
use std::ffi::{c_char, c_int, c_void, CString};
use std::ptr::{null, null_mut};

#[link(name = "sqlite3")]
extern "C" {
    fn sqlite3_open(path: *const c_char, connection: *mut *mut c_void) -> c_int;
    fn sqlite3_busy_timeout(connection: *mut c_void, ms: c_int) -> c_int;
    fn sqlite3_exec(
        connection: *mut c_void,
        sql: *const c_char,
        callback: *const c_void,
        argument: *mut c_void,
        message: *mut *mut c_char,
    ) -> c_int;
    fn sqlite3_close(connection: *mut c_void) -> c_int;
}

fn run(connection: *mut c_void, sql: &str) {
    let text = CString::new(sql).unwrap();
    let code = unsafe { sqlite3_exec(connection, text.as_ptr(), null(), null_mut(), null_mut()) };
    assert_eq!(code, 0, "{sql}");
}

fn insert(path: &str, mode: &str, count: usize) {
    let name = CString::new(path).unwrap();
    let mut connection = null_mut();
    unsafe {
        assert_eq!(sqlite3_open(name.as_ptr(), &mut connection), 0);
        sqlite3_busy_timeout(connection, 20000);
    }
    run(connection, &format!("PRAGMA journal_mode={mode}"));
    run(connection, "CREATE TABLE IF NOT EXISTS t(x)");
    for _ in 0..count {
        run(connection, "BEGIN IMMEDIATE; INSERT INTO t VALUES(1); COMMIT");
    }
    run(connection, "SELECT count(*) FROM t");
    assert_eq!(unsafe { sqlite3_close(connection) }, 0);
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let count: usize = words[3].parse().unwrap();
    insert(&words[1], &words[2], 0);
    std::thread::scope(|scope| {
        for half in [count / 2, count - count / 2] {
            let words = &words;
            scope.spawn(move || insert(&words[1], &words[2], half));
        }
    });
}
