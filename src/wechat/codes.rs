//! What WeChat's error codes mean and how to react to them.

use std::fmt;
use std::net::IpAddr;

/// The calls of this module. The same code can mean different things in different calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `getliveinfo`: a page of rooms.
    Rooms,
    /// `getliveinfo` with `get_replay`: a page of one room's replays.
    Replays,
    /// `openapi/quota/get`: the remaining calls of the day.
    Quota,
    /// `stable_token`: an access token that leaves the shop's own one valid.
    StableToken,
    /// `token`: an access token that invalidates the shop's own one.
    Token,
    /// `api_component_token`: the token of a third-party platform.
    ComponentToken,
    /// `api_get_authorizer_list`: the accounts that have authorised the platform, with refresh tokens.
    Authorizers,
    /// `api_authorizer_token`: an account's access token, by its refresh token.
    AuthorizerToken,
    /// The merchant's own token server (中控服务器), a command, a file, or Redis.
    TokenSource,
}

impl Call {
    /// Whether its replies contain an access token, so that no part of them may be shown.
    pub(super) fn is_for_token(self) -> bool {
        match self {
            Self::Rooms | Self::Replays | Self::Quota => false,
            Self::StableToken
            | Self::Token
            | Self::ComponentToken
            | Self::Authorizers
            | Self::AuthorizerToken
            | Self::TokenSource => true,
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rooms => "the room list call",
            Self::Replays => "the replays call",
            Self::Quota => "the quota call",
            Self::StableToken => "the stable_token call",
            Self::Token => "the token call",
            Self::ComponentToken => "the api_component_token call",
            Self::Authorizers => "the api_get_authorizer_list call",
            Self::AuthorizerToken => "the api_authorizer_token call",
            Self::TokenSource => "the token source",
        })
    }
}

/// How to react to a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Retry with back-off.
    Retry,
    /// Ask the token source again, once.
    RefreshToken,
    /// The calls of this minute are used up: wait for the next minute.
    NextMinute,
    /// The calls of the day are used up: stop until the next day in Beijing.
    NextDay,
    /// Not a failure: the list has ended. The calls turn it into an empty last page.
    EndOfList,
    /// WeChat does not know the room, or no longer does.
    NoSuchRoom,
    /// WeChat does not report the quota to this account: count locally.
    QuotaHidden,
    /// Only a person can help, by changing this setting.
    Configuration(Setting),
    /// The request was malformed: a bug in this program.
    Bug,
    /// Undocumented: fail this call and continue with other rooms.
    Unknown,
}

/// What a person has to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// The appid is wrong or missing.
    AppId,
    /// The secret is wrong or missing.
    Secret,
    /// The secret was frozen in WeChat's console.
    FrozenSecret,
    /// This machine's address is not in the account's allow-list.
    IpAllowList,
    /// The account lacks permission for live rooms.
    Permission,
    /// The ticket that WeChat pushes to a third-party platform.
    Ticket,
    /// This machine's address is not in the allow-list of the third-party platform.
    PlatformIpAllowList,
    /// The appid of the third-party platform.
    PlatformAppId,
    /// What the account has authorised the third-party platform by.
    Authorization,
    /// Where the access token comes from.
    TokenSource,
    /// The base URL of the API or the URL of the token server.
    Address,
}

impl Class {
    /// The class of `code` in reply to `call`. Sources: WeChat's lists of return codes; real replies for
    /// 1 and 9410000.
    pub fn of(code: i64, call: Call) -> Self {
        match (code, call) {
            (1, Call::Rooms) | (9_410_000, Call::Rooms | Call::Replays) => Self::EndOfList,
            (-1 | 9_410_001..=9_410_003, _) => Self::Retry,
            // The token calls send no access token, so it is the secret that WeChat refuses.
            (40_001, Call::StableToken | Call::Token) => Self::Configuration(Setting::Secret),
            (40_001 | 40_014 | 42_001, Call::Authorizers | Call::AuthorizerToken) => Self::Retry,
            (40_001 | 40_014 | 42_001, _) if !call.is_for_token() => Self::RefreshToken,
            (61_004, _) => Self::Configuration(Setting::PlatformIpAllowList),
            (61_005 | 61_006, _) => Self::Configuration(Setting::Ticket),
            (61_011, _) => Self::Configuration(Setting::PlatformAppId),
            (61_023, _) => Self::Configuration(Setting::Authorization),
            (45_009, _) => Self::NextDay,
            (45_011, _) => Self::NextMinute,
            (300_022, Call::Replays) => Self::NoSuchRoom,
            (48_001 | 76_021 | 76_022, Call::Quota) => Self::QuotaHidden,
            (40_013 | 41_002, _) => Self::Configuration(Setting::AppId),
            (40_125 | 41_004, _) => Self::Configuration(Setting::Secret),
            (40_243, _) => Self::Configuration(Setting::FrozenSecret),
            (40_164, _) => Self::Configuration(Setting::IpAllowList),
            (48_001 | 43_104 | 50_002 | 61_003 | 61_007, _) => {
                Self::Configuration(Setting::Permission)
            }
            (41_001 | 43_002 | 44_002 | 47_001, _) => Self::Bug,
            _ => Self::Unknown,
        }
    }

    /// What a person can do about it: a `\nhint: …` line, or nothing. `message` comes from WeChat.
    pub(super) fn hint(self, message: &str) -> String {
        let hint = match self {
            Self::NextDay => {
                "\nhint: the account has used up its calls for today; the quota resets at midnight in \
                 Beijing [RA212]"
            }
            Self::Bug => {
                "\nhint: this is a bug in replay-archiver: please report it with the code and the rid \
                 [RA901]"
            }
            Self::Configuration(setting) => return setting.hint(message),
            _ => "",
        };
        hint.to_owned()
    }
}

impl Setting {
    fn hint(self, message: &str) -> String {
        let hint = match self {
            Self::AppId => "\nhint: check the account's appid: WeChat does not know it [RA201]",
            Self::Secret => {
                "\nhint: check the account's secret: it does not belong to this appid [RA202]"
            }
            Self::FrozenSecret => {
                "\nhint: the account's secret is frozen: release it in WeChat's console \
                 (mp.weixin.qq.com → 开发管理 → AppSecret) [RA203]"
            }
            Self::IpAllowList => return allow_list_hint(message),
            Self::Permission => {
                "\nhint: the account lacks permission for live rooms, or has not granted it to the \
                 platform that the token belongs to [RA205]"
            }
            Self::PlatformIpAllowList => {
                "\nhint: add this machine's public address to the third-party platform's IP list (白名单IP地址列表) at \
                 open.weixin.qq.com [RA204]"
            }
            Self::PlatformAppId => {
                "\nhint: check component_appid in [platform]: WeChat does not know it [RA201]"
            }
            Self::Authorization => {
                "\nhint: the authorisation is no longer valid: have the account's owner authorise the third-party \
                 platform again [RA221]"
            }
            Self::TokenSource => {
                "\nhint: check that the token source belongs to this appid [RA206]"
            }
            Self::Address => {
                "\nhint: check the configured address and the credentials that it requires [RA210]"
            }
            Self::Ticket => {
                "\nhint: the component_verify_ticket is old or wrong: WeChat pushes another every ten minutes, and \
                 [platform] ticket_… must name where the newest one is kept [RA222]"
            }
        };
        hint.to_owned()
    }
}

/// The message of 40164 contains the address that WeChat saw: `invalid ip 1.2.3.4 …, not in whitelist`.
fn allow_list_hint(message: &str) -> String {
    let seen = message
        .split(|c: char| c.is_whitespace() || c == ',')
        .find_map(|word| word.parse::<IpAddr>().ok())
        .map_or_else(|| "this machine's public address".to_owned(), |ip| ip.to_string());
    format!(
        "\nhint: add {seen} to the IP allow-list (IP白名单) of the account at mp.weixin.qq.com → \
         开发管理 → 开发设置 [RA204]"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: [Call; 9] = [
        Call::Rooms,
        Call::Replays,
        Call::Quota,
        Call::StableToken,
        Call::Token,
        Call::ComponentToken,
        Call::Authorizers,
        Call::AuthorizerToken,
        Call::TokenSource,
    ];

    #[test]
    fn every_documented_code_has_its_class_in_every_call() {
        use Setting::{AppId, FrozenSecret, IpAllowList, Permission, Secret};
        let everywhere = [
            (-1, Class::Retry),
            (9_410_001, Class::Retry),
            (9_410_002, Class::Retry),
            (9_410_003, Class::Retry),
            (45_009, Class::NextDay),
            (45_011, Class::NextMinute),
            (40_013, Class::Configuration(AppId)),
            (41_002, Class::Configuration(AppId)),
            (40_125, Class::Configuration(Secret)),
            (41_004, Class::Configuration(Secret)),
            (40_243, Class::Configuration(FrozenSecret)),
            (40_164, Class::Configuration(IpAllowList)),
            (43_104, Class::Configuration(Permission)),
            (50_002, Class::Configuration(Permission)),
            (61_003, Class::Configuration(Permission)),
            (61_007, Class::Configuration(Permission)),
            (41_001, Class::Bug),
            (43_002, Class::Bug),
            (44_002, Class::Bug),
            (47_001, Class::Bug),
            (268_489_001, Class::Unknown),
        ];
        for (code, class) in everywhere {
            for call in CALLS {
                assert_eq!(Class::of(code, call), class, "{code} in {call}");
            }
        }
    }

    #[test]
    fn the_call_decides_what_an_ambiguous_code_means() {
        let table = [
            (9_410_000, Call::Rooms, Class::EndOfList),
            (9_410_000, Call::Replays, Class::EndOfList),
            (9_410_000, Call::Quota, Class::Unknown),
            (1, Call::Rooms, Class::EndOfList),
            (1, Call::Replays, Class::Unknown),
            (40_001, Call::Rooms, Class::RefreshToken),
            (40_014, Call::Replays, Class::RefreshToken),
            (42_001, Call::Quota, Class::RefreshToken),
            (40_001, Call::StableToken, Class::Configuration(Setting::Secret)),
            (40_001, Call::Token, Class::Configuration(Setting::Secret)),
            (42_001, Call::TokenSource, Class::Unknown),
            (48_001, Call::Rooms, Class::Configuration(Setting::Permission)),
            (48_001, Call::Quota, Class::QuotaHidden),
            (76_021, Call::Quota, Class::QuotaHidden),
            (76_022, Call::Quota, Class::QuotaHidden),
            (300_022, Call::Replays, Class::NoSuchRoom),
            (300_022, Call::Rooms, Class::Unknown),
        ];
        for (code, call, class) in table {
            assert_eq!(Class::of(code, call), class, "{code} in {call}");
        }
    }

    #[test]
    fn the_hint_names_the_address_to_add() {
        let class = Class::of(40_164, Call::StableToken);
        let message = "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist";
        assert!(class.hint(message).starts_with("\nhint: add 203.0.113.7 to the IP allow-list"));
        assert!(class.hint("invalid ip").contains("add this machine's public address"));
    }

    #[test]
    fn the_hints_name_what_is_wrong() {
        let hint = |code| Class::of(code, Call::StableToken).hint("");
        assert!(hint(40_013).contains("appid:"));
        assert!(hint(40_125).contains("secret:"));
        assert!(hint(40_243).contains("frozen"));
        assert!(hint(43_104).contains("permission"));
        for (code, part) in [
            (61_004, "third-party platform's IP list"),
            (61_011, "component_appid"),
            (61_023, "again"),
        ] {
            assert!(hint(code).contains(part), "{code}: {}", hint(code));
        }
        assert_eq!(hint(-1), "");
    }
}
