#pragma once
// What the gateway counts, collected once and written in two forms: the text Prometheus reads and
// JSON. Series of one name are brought together, whoever told them: gateway, plugins, in any order.
// A series that was told twice counts once, because Prometheus refuses a page that repeats one.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <ringtime/plugin.hpp>

class Page {
 public:
    void add(const ringtime::Metric& metric);

    /// Text format 0.0.4, with the names Prometheus wants: `http_server_request_duration_seconds`.
    [[nodiscard]] std::string prometheus() const;
    /// `{"metrics":[{"name","kind","unit","help","series":[{"labels":{},"value"},...]},...]}`
    [[nodiscard]] std::string json() const;

    /// One series as a line of JSON by what tells it from all others.
    using Lines = std::map<std::string, std::string>;
    [[nodiscard]] Lines lines() const;

 private:
    struct Series {
        std::string labels;       ///< As Prometheus writes them, without braces.
        std::string json_labels;  ///< `{"mount":"shop"}`
        double value = 0;
        uint64_t count = 0;
        std::vector<double> bounds;
        std::vector<uint64_t> buckets;
    };
    struct Family {
        std::string name;
        std::string text_name;
        std::string help;
        std::string unit;
        uint32_t kind = 0;
        std::vector<Series> series;
        std::set<std::string> known;
    };

    static void write_histogram(std::string& out, const Family& family, const Series& series);
    static void write_json(std::string& out, const Family& family, const Series& series);

    std::vector<Family> families_;
    std::map<std::string, size_t> places_;  ///< By text_name.
};

/// The lines, several to an array, each array of at most `bytes_max` bytes.
[[nodiscard]] std::vector<std::string> arrays_of(const Page::Lines& lines, size_t bytes_max);
