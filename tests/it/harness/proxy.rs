//! An HTTP proxy before an object store, with scripted faults.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;

/// The reaction to a request instead of forwarding it.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The connection is closed without a word.
    Hangup,
    /// A refusal with this status and S3 error code. The request does not reach the store.
    Refuse(u16, &'static str),
    /// No answer, ever.
    Silence,
    /// The true answer without the second half of its body.
    Half,
    /// The first half of the true answer's body, and no more, ever.
    HalfThenSilence,
    /// A success with another body.
    Garbage,
}

/// A request as far as rules look at it.
#[derive(Debug)]
pub struct Asked {
    /// `GET`, `PUT`, …
    pub method: String,
    /// Path and query.
    pub target: String,
}

impl Asked {
    /// Whether it changes anything.
    pub fn writes(&self) -> bool {
        self.method != "GET" && self.method != "HEAD"
    }
}

type Rule = Box<dyn Fn(&Asked) -> Option<Fault> + Send>;

#[derive(Default)]
struct State {
    rule: Mutex<Option<Rule>>,
    hits: AtomicUsize,
    /// Connections that are answered no more, so that they end with the proxy.
    held: Mutex<Vec<TcpStream>>,
}

/// The proxy. Its threads end with their connections.
pub struct Proxy {
    address: String,
    state: Arc<State>,
}

impl Proxy {
    /// A proxy before `http://host:port`, well-behaved at first.
    pub fn before(endpoint: &str) -> Self {
        let store = endpoint.strip_prefix("http://").expect("plain HTTP").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (Ok(connection), store, state) = (connection, store.clone(), Arc::clone(&shared)) else {
                    continue;
                };
                // Broken connections are expected.
                thread::spawn(move || {
                    let _ = serve(&connection, &store, &state);
                });
            }
        });
        Self { address, state }
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Misbehaves by this rule from now on.
    pub fn misbehave(&self, rule: impl Fn(&Asked) -> Option<Fault> + Send + 'static) {
        *self.state.rule.lock() = Some(Box::new(rule));
    }

    /// Hands everything on again. Connections that were left without an answer break, as when a network comes back.
    pub fn heal(&self) {
        *self.state.rule.lock() = None;
        self.state.let_go();
    }

    /// How many requests have met a fault.
    pub fn hits(&self) -> usize {
        self.state.hits.load(Ordering::SeqCst)
    }
}

impl State {
    fn let_go(&self) {
        for connection in self.held.lock().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.let_go();
    }
}

fn serve(client: &TcpStream, store: &str, state: &State) -> std::io::Result<()> {
    let mut reader = BufReader::new(client);
    while let Some((asked, head, length)) = request(&mut reader)? {
        let fault = state.rule.lock().as_ref().and_then(|rule| rule(&asked));
        if fault.is_some() {
            state.hits.fetch_add(1, Ordering::SeqCst);
        }
        if let Some(Fault::Silence) = fault {
            state.held.lock().push(client.try_clone()?);
            return Ok(());
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut out = client;
        match fault {
            Some(Fault::Hangup | Fault::Silence) => return client.shutdown(Shutdown::Both),
            Some(Fault::Refuse(status, code)) => {
                let body =
                    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>by the test</Message></Error>");
                // A refusal of HEAD has no body.
                let body = if asked.method == "HEAD" { "" } else { &body };
                write!(
                    out,
                    "HTTP/1.1 {status} X\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )?;
            }
            Some(Fault::Garbage) => {
                let body = "<html>Please log in</html>";
                write!(
                    out,
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nlast-modified: Mon, 01 Jan 2024 00:00:00 GMT\r\netag: \"x\"\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )?;
            }
            None | Some(Fault::Half | Fault::HalfThenSilence) => {
                let answer = pass_on(store, &head, &body)?;
                let split = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(0) + 4;
                let half = split + (answer.len() - split) / 2;
                match fault {
                    None => out.write_all(&answer)?,
                    _ => out.write_all(&answer[..half])?,
                }
                if let Some(Fault::HalfThenSilence) = fault {
                    state.held.lock().push(client.try_clone()?);
                    return Ok(());
                }
                // The request had `Connection: close`, and the store's answer has it, too.
                return client.shutdown(Shutdown::Both);
            }
        }
    }
    Ok(())
}

/// The next request's head as text, and the length of its body.
fn request(reader: &mut BufReader<&TcpStream>) -> std::io::Result<Option<(Asked, String, usize)>> {
    let (mut head, mut length) = (String::new(), 0);
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    head.push_str(&first);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line == "\r\n" {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
        if !name.eq_ignore_ascii_case("connection") {
            head.push_str(&line);
        }
    }
    let mut words = first.split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let asked = Asked {
        method: word(),
        target: word(),
    };
    Ok(Some((asked, head, length)))
}

/// One request to the store on a connection of its own; its whole answer.
fn pass_on(store: &str, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut connection = TcpStream::connect(store)?;
    connection.write_all(head.as_bytes())?;
    connection.write_all(b"connection: close\r\n\r\n")?;
    connection.write_all(body)?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    Ok(answer)
}
