//! `doctor --player`: whether a player gets what it needs at the URLs that it is given. Asks as a browser does,
//! and needs the bucket alone.

mod judge;
mod visit;

use anyhow::Context as _;
use url::{Origin, Url};

use super::super::figures::bytes;
use super::super::reading::{self, Archive};
use super::super::{Common, Exit};
use super::{DoctorArguments, Findings};
use crate::archive::catalog::Reader;
use crate::archive::index::{Index, Order};
use crate::archive::search::Query;
use crate::clock::Clock;
use crate::model::{AppId, Manifest, RoomId, RoomStatus};
use crate::playback::{Ends, Lasting, Links, Plan, Played, ServerLinks, Way};
use crate::serve::{Delivery, Settings};
use judge::{Finding, Medium, Verdict};
use visit::{Answer, Visitor};

/// How many accounts are searched for a room, and how many of the newest rooms of each are looked at.
const ACCOUNTS: usize = 10;
const ROOMS: usize = 5;

/// The page that asks unless another one is named.
const ANY_PAGE: &str = "https://player.example";

/// What a mini program says where it comes from.
const REFERER: &str = "https://servicewechat.com/wx0123456789abcdef/1/page-frame.html";

/// A room, and what of it is asked for.
struct Chosen {
    appid: AppId,
    room: RoomId,
    manifest: Manifest,
}

/// A file of a room.
struct File {
    what: &'static str,
    key: String,
    bytes: Option<u64>,
    medium: Medium,
    /// How many segments have their tables at the end, and of how many that is not known; `None` where it does
    /// not matter.
    late: Option<(usize, usize)>,
}

pub(super) async fn run(common: &Common, arguments: &DoctorArguments) -> anyhow::Result<Exit> {
    let (archive, settings) = reading::open_player(common).await?;
    let mut findings = Findings { common, failed: 0, warned: 0 };
    match choose(&archive, arguments.room).await? {
        Some(chosen) => {
            Box::pin(check(&archive, settings, &chosen, arguments, &mut findings)).await?;
        }
        None => findings.fail(
            "room",
            "none of the newest rooms has anything that plays\n\
             hint: --room NUMBER names one that is archived [RA620]",
        ),
    }
    Ok(findings.end())
}

/// The room that is named, or a new one of which something plays.
async fn choose(archive: &Archive, room: Option<RoomId>) -> anyhow::Result<Option<Chosen>> {
    if let Some(room) = room {
        let missing = || format!("room {room} has no manifest, so it is not archived");
        let appid = archive.account_of(room).await?.with_context(missing)?;
        let manifest = archive.manifest(&appid, room).await?.with_context(missing)?;
        return Ok(Some(Chosen { appid, room, manifest }));
    }
    for appid in archive.accounts.iter().take(ACCOUNTS) {
        for room in newest(archive, appid).await? {
            let Some(manifest) = archive.manifest(appid, room).await? else { continue };
            if Plan::of(&manifest).preferred != Played::None {
                return Ok(Some(Chosen { appid: appid.clone(), room, manifest }));
            }
        }
    }
    Ok(None)
}

/// The newest archived rooms of an account.
async fn newest(archive: &Archive, appid: &AppId) -> anyhow::Result<Vec<RoomId>> {
    let Some((catalog, _)) = Reader::open(&archive.store, appid).await? else {
        return Ok(Vec::new());
    };
    let mut indexing = Index::begin(catalog);
    while indexing.take_some().await? {}
    let mut query = Query::for_words(&[]);
    query.statuses = vec![Some(RoomStatus::Complete), Some(RoomStatus::Partial)];
    let page = indexing.finish().page(&query, Order::Newest, None, ROOMS);
    Ok(page.rooms.into_iter().map(|room| room.room_id).collect())
}

/// What of a room is asked for.
fn file(manifest: &Manifest) -> Option<File> {
    let plan = Plan::of(manifest);
    if let Some(film) = plan.film {
        let (key, bytes) = (film.key.to_owned(), film.film.bytes);
        let late = Some((0, 0));
        return Some(File { what: "the stitched film", key, bytes, medium: Medium::Film, late });
    }
    let first = plan.segments.first().filter(|_| plan.preferred != Played::Whole);
    if let Some(first) = first {
        let starts = plan.segments.iter().map(|clip| clip.segment.media.as_ref());
        let starts: Vec<_> = starts.map(|media| media.map(|media| media.faststart)).collect();
        let count = |of: Option<bool>| starts.iter().filter(|start| **start == of).count();
        let late = Some((count(Some(false)), count(None)));
        let (key, bytes) = (first.key.to_owned(), first.segment.bytes);
        return Some(File { what: "the first segment", key, bytes, medium: Medium::Film, late });
    }
    let chunk = plan.whole?.whole.chunks.first()?;
    let (key, bytes, medium) = (chunk.key.clone(), Some(chunk.bytes), Medium::Chunk);
    Some(File { what: "the first chunk of the whole", key, bytes, medium, late: None })
}

/// How `serve` gives URLs, for people and for links.
fn way(settings: Settings) -> (&'static str, Way) {
    let address = match &settings.public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("http://{}", settings.listen),
    };
    let server = |key| {
        let (lasting, ttl) = (Lasting::Limited, settings.link_ttl);
        Way::Server(ServerLinks { address, key, lasting, ttl }.into())
    };
    match settings.delivery {
        Delivery::Presigned => ("by a presigned URL", Way::Presigned),
        Delivery::BaseUrl(base) => ("below base_url", Way::BaseUrl(base)),
        Delivery::Redirect => ("by a link of serve that redirects", server(settings.link_key)),
        Delivery::Proxy => ("through serve", server(settings.link_key)),
    }
}

/// The page from which a script would ask.
fn page(arguments: &DoctorArguments, settings: &Settings) -> String {
    let named = arguments.origin.as_ref().or(settings.public_url.as_ref());
    match named.map(Url::origin) {
        Some(origin @ Origin::Tuple(..)) => origin.ascii_serialization(),
        _ => ANY_PAGE.to_owned(),
    }
}

async fn check(
    archive: &Archive,
    settings: Settings,
    chosen: &Chosen,
    arguments: &DoctorArguments,
    findings: &mut Findings<'_>,
) -> anyhow::Result<()> {
    let Chosen { appid, room, manifest } = chosen;
    let Some(file) = file(manifest) else {
        findings.fail("room", format_args!("nothing of room {room} of {appid} is archived"));
        return Ok(());
    };
    let (page, ttl) = (page(arguments, &settings), settings.link_ttl);
    let (how, way) = way(settings);
    let size = file.bytes.map_or_else(String::new, |size| format!(" ({})", bytes(size)));
    let File { what, key, .. } = &file;
    findings.good("room", format_args!("{room} of {appid}: {what}{size}, {how}"));
    let now = Clock::system().now();
    let url_of = async |way: Way| {
        let links = Links::new(archive.store.clone(), way, ttl);
        let link = links.of_room(appid, *room, now, Ends::Never).to(key).await?;
        Ok::<_, anyhow::Error>(link.url)
    };
    let url = url_of(way).await?;
    // A link of the server redirects there.
    let hosts = [url.as_str(), &url_of(Way::Presigned).await?].map(host);
    let asked = Url::parse(&url).context("the URL of the file is none")?;
    let visitor = Visitor::new(hosts.into())?;
    let whom = asked.host_str().unwrap_or_default().to_owned();
    let Some(whole) = findings.ask("the file", &whom, visitor.ask(&url, &[])).await else {
        return Ok(());
    };
    let mut told = vec![judge::https(&asked, &whole.url), judge::whole(&whole, file.bytes)];
    if whole.status == 200 {
        let ask =
            async |name, value| visitor.ask(&url, &[("range", "bytes=0-1"), (name, value)]).await;
        let Some(range) = findings.ask("ranges", &whom, ask("origin", &page)).await else {
            return Ok(());
        };
        let from_app = findings.ask("mini programs", &whom, ask("referer", REFERER)).await;
        told.extend(of_answers(&file, &page, (&whole, &range)));
        told.extend(from_app.as_ref().map(judge::mini_program));
    }
    told.extend(file.late.map(|(late, unknown)| judge::faststart(late, unknown, room)));
    for Finding { verdict, what, text } in told {
        match verdict {
            Verdict::Good => findings.good(what, text),
            Verdict::Warn => findings.warn(what, text),
            Verdict::Fail => findings.fail(what, text),
        }
    }
    Ok(())
}

/// What the answers to requests for all and for a little of a file say.
fn of_answers(file: &File, page: &str, (whole, range): (&Answer, &Answer)) -> [Finding; 4] {
    [
        judge::ranges(whole, range, file.bytes),
        judge::content_type(whole, file.medium),
        judge::disposition(whole, file.medium),
        judge::cors(range, page, file.medium),
    ]
}

fn host(url: &str) -> String {
    let url = Url::parse(url).ok();
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}
