//! Parts of dates in UTC.

const DAY: i64 = 86_400;

/// The functions that take seconds since 1970.
pub(super) fn function(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "minute" => |seconds| (whole(seconds).rem_euclid(DAY) % 3600 / 60) as f64,
        "hour" => |seconds| (whole(seconds).rem_euclid(DAY) / 3600) as f64,
        // 1970 began on a Thursday.
        "day_of_week" => |seconds| ((days(seconds) + 4).rem_euclid(7)) as f64,
        "day_of_month" => |seconds| date(seconds).day as f64,
        "day_of_year" => |seconds| {
            let date = date(seconds);
            (days(seconds) - day_number(date.year, 1, 1) + 1) as f64
        },
        "days_in_month" => |seconds| {
            let Date { year, month, .. } = date(seconds);
            let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            (day_number(next.0, next.1, 1) - day_number(year, month, 1)) as f64
        },
        "month" => |seconds| date(seconds).month as f64,
        "year" => |seconds| date(seconds).year as f64,
        _ => return None,
    })
}

/// A day of the calendar.
struct Date {
    year: i64,
    month: i64,
    day: i64,
}

/// Seconds without their fraction, as far as calendars go.
fn whole(seconds: f64) -> i64 {
    (seconds as i64).clamp(-(1 << 55), 1 << 55)
}

/// Days since 1970.
fn days(seconds: f64) -> i64 {
    whole(seconds).div_euclid(DAY)
}

/// The date of a time. Years begin in March here, so that the day of a leap year is the last one.
fn date(seconds: f64) -> Date {
    let since = days(seconds) + 719_468;
    let era = since.div_euclid(146_097);
    let of_era = since.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    Date { year: year + era * 400 + i64::from(month <= 2), month, day }
}

/// Days since 1970 of a date.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let of_era = year.rem_euclid(400);
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}
