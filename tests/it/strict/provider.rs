//! In what the providers differ.

/// Whose behaviour is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    Aws,
    R2,
    Minio,
    Garage,
    Cos,
    Oss,
    Ceph,
}

/// What a store makes of `If-None-Match: *` and `If-Match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conditions {
    Honoured,
    Ignored,
    /// Answered with 501.
    Refused,
    /// Ignored; `x-cos-forbid-overwrite: true` does it instead.
    OwnHeader,
}

/// What a store makes of `x-amz-checksum-*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksums {
    Verified,
    Ignored,
    /// Answered with 400.
    Refused,
}

impl Provider {
    pub const ALL: [Self; 7] =
        [Self::Aws, Self::R2, Self::Minio, Self::Garage, Self::Cos, Self::Oss, Self::Ceph];

    pub fn conditions(self) -> Conditions {
        match self {
            Self::Aws | Self::R2 | Self::Minio | Self::Ceph => Conditions::Honoured,
            Self::Garage => Conditions::Ignored,
            Self::Cos => Conditions::OwnHeader,
            Self::Oss => Conditions::Refused,
        }
    }

    /// Unconfirmed for COS and OSS: what is harder for a client is assumed, each time another.
    pub fn checksums(self) -> Checksums {
        match self {
            Self::Cos => Checksums::Ignored,
            Self::Oss => Checksums::Refused,
            _ => Checksums::Verified,
        }
    }

    /// Whether a body that is not what `x-amz-content-sha256` says is refused. Unconfirmed for COS,
    /// which is assumed to store it.
    pub fn verifies_payload_hash(self) -> bool {
        self != Self::Cos
    }

    /// The smallest part, the last excepted.
    pub fn smallest_part(self) -> usize {
        match self {
            Self::Cos => 1 << 20,
            Self::Oss => 100 << 10,
            _ => 5 << 20,
        }
    }

    pub fn wants_equal_parts(self) -> bool {
        self == Self::R2
    }

    pub fn lists_uploads(self) -> bool {
        self != Self::Oss
    }

    /// Whether completing an upload again, with the same parts, succeeds again.
    pub fn completes_twice(self) -> bool {
        matches!(self, Self::Aws | Self::Ceph)
    }

    /// Whether an object written without a checksum gets a CRC-64/NVME all the same.
    pub fn always_has_crc64nvme(self) -> bool {
        self == Self::Aws
    }

    /// Whether `x-amz-checksum-type` is told.
    pub fn tells_checksum_type(self) -> bool {
        self != Self::Garage
    }

    /// Whether the `If-Match` of a write is compared as it is written, its quotes with an ETag that is
    /// kept without: Ceph 16 does.
    pub fn compares_quotes(self) -> bool {
        self == Self::Ceph
    }

    /// Where the CRC-64/XZ of an object is told, in decimal.
    pub fn crc64xz_header(self) -> Option<&'static str> {
        match self {
            Self::Cos => Some("x-cos-hash-crc64ecma"),
            Self::Oss => Some("x-oss-hash-crc64ecma"),
            _ => None,
        }
    }

    /// What says that browsers must save what they get from the default domain, whatever they ask for.
    pub fn forced_download_header(self) -> Option<&'static str> {
        match self {
            Self::Cos => Some("x-cos-force-download"),
            Self::Oss => Some("x-oss-force-download"),
            _ => None,
        }
    }

    /// Whether requests may be signed for this region.
    pub fn is_region(self, region: &str) -> bool {
        match self {
            Self::Aws | Self::Minio | Self::Garage => region == "us-east-1",
            Self::R2 => matches!(region, "auto" | "us-east-1"),
            Self::Cos | Self::Oss | Self::Ceph => !region.is_empty(),
        }
    }
}
