//! Degrees of secrecy: papers that bear one never enter.
//!
//! A paper bears its degree as a stamp: a line of its own, or the words "độ mật" with the degree behind them. The words
//! alone say nothing – "giữ bí mật" is an ordinary sentence.

const DEGREES: [&str; 3] = ["mật", "tối mật", "tuyệt mật"];
const LABELS: [&str; 2] = ["độ mật", "mức độ mật"];

/// Whether a text bears the stamp of a secret paper.
pub fn bears_secrecy(text: &str) -> bool {
    text.lines().any(is_stamp)
}

fn is_stamp(line: &str) -> bool {
    let lower = line.to_lowercase();
    let stamped = lower.trim_matches(|c: char| !c.is_alphabetic());
    let labelled = LABELS.iter().find_map(|label| stamped.strip_prefix(label));
    let degree = labelled.map_or(stamped, |rest| {
        rest.trim_start_matches(|c: char| !c.is_alphabetic())
    });
    DEGREES.contains(&degree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_seen_and_an_ordinary_sentence_is_not() {
        for secret in [
            "MẬT",
            "Kế hoạch\n  [ TỐI MẬT ]\nKính gửi",
            "Độ mật: Tuyệt mật",
            "(Mật)",
        ] {
            assert!(bears_secrecy(secret), "{secret}");
        }
        for plain in [
            "Giữ bí mật thông tin công dân",
            "Độ mật: không",
            "Bảo mật tài khoản",
            "Mật khẩu",
            "",
        ] {
            assert!(!bears_secrecy(plain), "{plain}");
        }
    }
}
