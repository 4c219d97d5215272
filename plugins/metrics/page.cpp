#include "page.h"

#include <charconv>
#include <cmath>

#include "../shared/text.h"

namespace {

constexpr std::string_view kKinds[] = {"counter", "gauge", "histogram"};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Letters, digits and `_`, not a digit first.
std::string identifier(std::string_view name) {
    std::string out;
    if (name.empty() || is_digit(name[0])) out += '_';
    for (char c : name) out += is_letter(c) || is_digit(c) ? c : '_';
    return out;
}

bool ends_with(std::string_view text, std::string_view end) {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

std::string_view unit_word(std::string_view unit) {
    if (unit == "s") return "seconds";
    if (unit == "ms") return "milliseconds";
    if (unit == "By") return "bytes";
    if (unit == "%") return "percent";
    return {};  // `{request}` says what is counted, and the name does already.
}

/// As OpenTelemetry's rules for Prometheus have it: the unit, then `_total` for counters.
std::string text_name_of(const ringtime::Metric& metric) {
    std::string name = identifier(ringtime::text(metric.name));
    bool counter = metric.kind == RINGTIME_METRIC_COUNTER;
    if (counter && ends_with(name, "_total")) name.resize(name.size() - 6);
    std::string_view unit = unit_word(ringtime::text(metric.unit));
    if (!unit.empty() && !ends_with(name, unit)) name.append("_").append(unit);
    if (counter) name += "_total";
    return name;
}

/// In the text format. A plugin may have told anything: what is no UTF-8 would spoil the page for
/// every other series.
enum class Quoting { label, help };
void quote(std::string& out, std::string_view text, Quoting how) {
    while (!text.empty()) {
        size_t size = shared::sequence(text);
        char c = text[0];
        if (size == 0) {
            out += '?';
        } else if (c == '\\' || (c == '"' && how == Quoting::label)) {
            out.append("\\").append(1, c);
        } else if (c == '\n') {
            out += "\\n";
        } else {
            out += text.substr(0, size);
        }
        text.remove_prefix(size ? size : 1);
    }
}

void number(std::string& out, double value) {
    if (std::isnan(value)) {
        out += "NaN";
    } else if (std::isinf(value)) {
        out += value < 0 ? "-Inf" : "+Inf";
    } else {
        // As people write them, `0.0001`: bounds are text to who reads them.
        bool usual = value == 0 || (std::fabs(value) >= 1e-6 && std::fabs(value) < 1e15);
        auto format = usual ? std::chars_format::fixed : std::chars_format::scientific;
        char text[32];
        out.append(text, std::to_chars(text, text + sizeof text, value, format).ptr);
    }
}

void json_number(std::string& out, double value) {
    if (std::isfinite(value)) {
        number(out, value);
    } else {
        out += "null";
    }
}

}  // namespace

void Page::add(const ringtime::Metric& metric) {
    if (metric.kind > RINGTIME_METRIC_HISTOGRAM) return;
    std::string text_name = text_name_of(metric);
    auto [place, is_new] = places_.try_emplace(text_name, families_.size());
    if (is_new) {
        families_.push_back({std::string(ringtime::text(metric.name)), std::move(text_name),
                             std::string(ringtime::text(metric.help)),
                             std::string(ringtime::text(metric.unit)), metric.kind, {}, {}});
    }
    Family& family = families_[place->second];
    if (family.kind != metric.kind) return;  // One name, one type: the first wins.
    Series series;
    std::set<std::string> names;
    for (size_t i = 0; i < metric.label_count; ++i) {
        std::string name = identifier(ringtime::text(metric.labels[i].name));
        if (name == "le") name = "le_";  // A histogram's own.
        if (!names.insert(name).second) continue;
        if (!series.labels.empty()) series.labels += ',';
        series.labels.append(name).append("=\"");
        quote(series.labels, ringtime::text(metric.labels[i].value), Quoting::label);
        series.labels += '"';
        series.json_labels += series.json_labels.empty() ? "\"" : ",\"";
        shared::append_json(series.json_labels, ringtime::text(metric.labels[i].name));
        series.json_labels += "\":\"";
        shared::append_json(series.json_labels, ringtime::text(metric.labels[i].value));
        series.json_labels += '"';
    }
    if (!family.known.insert(series.labels).second) return;
    series.value = metric.value;
    series.count = metric.count;
    if (metric.kind == RINGTIME_METRIC_HISTOGRAM) {
        series.bounds.assign(metric.bounds, metric.bounds + metric.bound_count);
        series.buckets.assign(metric.buckets, metric.buckets + metric.bound_count + 1);
    }
    family.series.push_back(std::move(series));
}

// Buckets are cumulated, and their last is the count: cores went on counting while we read.
void Page::write_histogram(std::string& out, const Family& family, const Series& series) {
    std::string comma = series.labels.empty() ? "" : ",";
    uint64_t below = 0;
    for (size_t i = 0; i < series.buckets.size(); ++i) {
        below += series.buckets[i];
        out.append(family.text_name).append("_bucket{").append(series.labels).append(comma);
        out += "le=\"";
        number(out, i < series.bounds.size() ? series.bounds[i] : HUGE_VAL);
        out.append("\"} ").append(std::to_string(below)).append("\n");
    }
    std::string braced = series.labels.empty() ? "" : "{" + series.labels + "}";
    out.append(family.text_name).append("_sum").append(braced).append(" ");
    number(out, series.value);
    out.append("\n").append(family.text_name).append("_count").append(braced).append(" ");
    out.append(std::to_string(below)).append("\n");
}

std::string Page::prometheus() const {
    std::string out;
    for (const Family& family : families_) {
        out.append("# HELP ").append(family.text_name).append(" ");
        quote(out, family.help, Quoting::help);
        out.append("\n# TYPE ").append(family.text_name).append(" ");
        out.append(kKinds[family.kind]).append("\n");
        for (const Series& series : family.series) {
            if (family.kind == RINGTIME_METRIC_HISTOGRAM) {
                write_histogram(out, family, series);
                continue;
            }
            out += family.text_name;
            if (!series.labels.empty()) out.append("{").append(series.labels).append("}");
            out += ' ';
            number(out, series.value);
            out += '\n';
        }
    }
    return out;
}

void Page::write_json(std::string& out, const Family& family, const Series& series) {
    out.append("\"labels\":{").append(series.json_labels).append("},");
    if (family.kind != RINGTIME_METRIC_HISTOGRAM) {
        out += "\"value\":";
        return json_number(out, series.value);
    }
    out.append("\"count\":").append(std::to_string(series.count)).append(",\"sum\":");
    json_number(out, series.value);
    out += ",\"buckets\":[";
    for (size_t i = 0; i < series.buckets.size(); ++i) {
        out += i ? ",[" : "[";
        json_number(out, i < series.bounds.size() ? series.bounds[i] : HUGE_VAL);
        out.append(",").append(std::to_string(series.buckets[i])).append("]");
    }
    out += ']';
}

std::string Page::json() const {
    std::string out = "{\"metrics\":[";
    for (const Family& family : families_) {
        out += out.back() == '[' ? "{" : ",{";
        shared::append_json_pair(out, "name", family.name);
        out += ',';
        shared::append_json_pair(out, "kind", kKinds[family.kind]);
        out += ',';
        shared::append_json_pair(out, "unit", family.unit);
        out += ',';
        shared::append_json_pair(out, "help", family.help);
        out += ",\"series\":[";
        for (size_t i = 0; i < family.series.size(); ++i) {
            out += i ? ",{" : "{";
            write_json(out, family, family.series[i]);
            out += '}';
        }
        out += "]}";
    }
    out += "]}\n";
    return out;
}

Page::Lines Page::lines() const {
    Lines lines;
    for (const Family& family : families_) {
        for (const Series& series : family.series) {
            std::string line = "{";
            shared::append_json_pair(line, "name", family.name);
            line += ',';
            write_json(line, family, series);
            line += '}';
            lines.emplace(family.text_name + "{" + series.labels, std::move(line));
        }
    }
    return lines;
}

std::vector<std::string> arrays_of(const Page::Lines& lines, size_t bytes_max) {
    std::vector<std::string> arrays;
    for (const auto& [key, line] : lines) {
        if (line.size() + 2 > bytes_max) continue;
        if (arrays.empty() || arrays.back().size() + line.size() + 2 > bytes_max)
            arrays.emplace_back();
        arrays.back().append(arrays.back().empty() ? "[" : ",").append(line);
    }
    for (std::string& array : arrays) array += ']';
    return arrays;
}
