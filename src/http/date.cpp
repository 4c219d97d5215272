#include "http/date.h"

#include <cstring>

#include "http/syntax.h"

namespace ringtime::http {
namespace {

constexpr char kDays[] = "SunMonTueWedThuFriSat";
constexpr char kMonths[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
constexpr std::string_view kLongDays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                          "Thursday", "Friday", "Saturday"};
constexpr int64_t kDaySeconds = 86400;

struct Civil {
    int64_t year = 0;
    int64_t month = 1;
    int64_t day = 1;
};

// Both conversions count years from March, so that the leap day comes last; an era is the 400 years
// after which the calendar repeats.
constexpr int64_t days_from_civil(Civil date) noexcept {
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month_from_march = (date.month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

constexpr Civil civil_from_days(int64_t days) noexcept {
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    Civil date;
    date.day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    date.month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    date.year = year_of_era + era * 400 + (date.month <= 2 ? 1 : 0);
    return date;
}
static_assert(days_from_civil({1970, 1, 1}) == 0);
static_assert(civil_from_days(0).year == 1970);

void put_two(char* to, int64_t value) noexcept {
    to[0] = static_cast<char>('0' + value / 10 % 10);
    to[1] = static_cast<char>('0' + value % 10);
}

/// Reads a date from its front; every step fails for good once one did.
class Reader {
  public:
    explicit Reader(std::string_view text) noexcept : text_(text) {}

    void literal(std::string_view expected) noexcept {
        if (!text_.starts_with(expected)) return fail();
        text_.remove_prefix(expected.size());
    }
    int64_t number(size_t digits) noexcept {
        int64_t value = 0;
        if (text_.size() < digits) return fail(), 0;
        for (size_t i = 0; i < digits; ++i) {
            if (!is_class(text_[i], kDigitChar)) return fail(), 0;
            value = value * 10 + (text_[i] - '0');
        }
        text_.remove_prefix(digits);
        return value;
    }
    /// Position of the next three letters in a list of names, RFC 9110: case-sensitive.
    int64_t name(std::string_view names) noexcept {
        for (size_t i = 0; i < names.size(); i += 3) {
            if (!text_.starts_with(names.substr(i, 3))) continue;
            text_.remove_prefix(3);
            return static_cast<int64_t>(i / 3);
        }
        return fail(), 0;
    }
    bool skip(std::string_view optional) noexcept {
        if (!text_.starts_with(optional)) return false;
        text_.remove_prefix(optional.size());
        return true;
    }
    int64_t time() noexcept {
        int64_t hour = number(2);
        literal(":");
        int64_t minute = number(2);
        literal(":");
        int64_t second = number(2);
        if (hour > 23 || minute > 59 || second > 60) fail();
        return hour * 3600 + minute * 60 + second;
    }
    void fail() noexcept {
        failed_ = true;
        text_ = {};
    }
    [[nodiscard]] bool complete() const noexcept { return !failed_ && text_.empty(); }

  private:
    std::string_view text_;
    bool failed_ = false;
};

int64_t month_days(Civil date) noexcept {
    constexpr int8_t kMonthDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
    return kMonthDays[date.month - 1] + (date.month == 2 && leap ? 1 : 0);
}

}  // namespace

void format_http_date(int64_t seconds, char* out) noexcept {
    int64_t days = seconds / kDaySeconds;
    int64_t rest = seconds % kDaySeconds;
    if (rest < 0) {
        rest += kDaySeconds;
        --days;
    }
    Civil date = civil_from_days(days);
    int64_t weekday = ((days + 4) % 7 + 7) % 7;
    std::memcpy(out, "Sun, 00 Jan 0000 00:00:00 GMT", http_date_size);
    std::memcpy(out, kDays + weekday * 3, 3);
    put_two(out + 5, date.day);
    std::memcpy(out + 8, kMonths + (date.month - 1) * 3, 3);
    put_two(out + 12, date.year / 100);
    put_two(out + 14, date.year % 100);
    put_two(out + 17, rest / 3600);
    put_two(out + 20, rest / 60 % 60);
    put_two(out + 23, rest % 60);
}

bool parse_http_date(std::string_view text, int64_t now, int64_t& seconds) noexcept {
    Reader reader(text);
    Civil date;
    int64_t time = 0;
    size_t comma = text.find(',');
    if (comma == 3) {  // IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT
        reader.name(kDays);
        reader.literal(", ");
        date.day = reader.number(2);
        reader.literal(" ");
        date.month = reader.name(kMonths) + 1;
        reader.literal(" ");
        date.year = reader.number(4);
        reader.literal(" ");
        time = reader.time();
        reader.literal(" GMT");
    } else if (comma != std::string_view::npos) {  // RFC 850: Sunday, 06-Nov-94 08:49:37 GMT
        bool known = false;
        for (std::string_view day : kLongDays) known = known || reader.skip(day);
        if (!known) reader.fail();
        reader.literal(", ");
        date.day = reader.number(2);
        reader.literal("-");
        date.month = reader.name(kMonths) + 1;
        reader.literal("-");
        int64_t this_year = civil_from_days(now / kDaySeconds).year;
        date.year = reader.number(2) + this_year / 100 * 100;
        if (date.year > this_year + 50) date.year -= 100;
        reader.literal(" ");
        time = reader.time();
        reader.literal(" GMT");
    } else {  // asctime: Sun Nov  6 08:49:37 1994
        reader.name(kDays);
        reader.literal(" ");
        date.month = reader.name(kMonths) + 1;
        reader.literal(" ");
        date.day = reader.skip(" ") ? reader.number(1) : reader.number(2);
        reader.literal(" ");
        time = reader.time();
        reader.literal(" ");
        date.year = reader.number(4);
    }
    if (!reader.complete() || date.day < 1 || date.day > month_days(date)) return false;
    seconds = days_from_civil(date) * kDaySeconds + time;
    return true;
}

}  // namespace ringtime::http
