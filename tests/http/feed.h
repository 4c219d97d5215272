#pragma once
// Feeds one text to a parser in every way it may arrive: whole, byte by byte, and split at every
// position, on both scan paths, always from memory that ends with the text, so that a sanitizer
// sees any byte read beyond it.

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/head_parser.h"

namespace ringtime::http {

inline std::vector<const ScanPath*> scan_paths() {
    std::vector<const ScanPath*> paths = {&portable_scan()};
    if (avx2_scan()) paths.push_back(avx2_scan());
    return paths;
}

/// A row of a table.
struct Refused {
    std::string_view text;
    std::string_view outcome;  ///< Rule and status.
    std::string_view source;   ///< Where it is written, or which exploit it stops.
};

/// A copy of exactly the text's size.
class Exact {
  public:
    explicit Exact(std::string_view text) : data_(new char[text.size()]), size_(text.size()) {
        std::memcpy(data_.get(), text.data(), text.size());
    }
    const char* data() const { return data_.get(); }
    size_t size() const { return size_; }

  private:
    std::unique_ptr<char[]> data_;
    size_t size_;
};

/// Everything an outcome says, as text that two runs can be compared by.
inline std::string show_fields(const FieldTable& fields) {
    std::string text;
    for (unsigned i = 0; i < fields.size(); ++i) {
        text += std::string(fields.name(fields[i])) + "=[" + std::string(fields.value(fields[i])) +
                "]" + std::to_string(static_cast<int>(fields[i].id)) + "\n";
    }
    return text;
}
inline std::string show(const RequestHead& head) {
    auto text = [](std::string_view view) {
        return view.data() ? std::string("<").append(view).append(">") : std::string("null");
    };
    return text(head.method_text) + std::to_string(static_cast<int>(head.method)) + " v" +
           std::to_string(static_cast<int>(head.version)) + " f" +
           std::to_string(static_cast<int>(head.form)) + " target" + text(head.target) + " path" +
           text(head.path) + " query" + text(head.query) + " host" + text(head.host) +
           " authority" + text(head.authority) + "\n" + show_fields(head.fields);
}
inline std::string show(const ResponseHead& head) {
    return std::to_string(head.status) + " v" + std::to_string(static_cast<int>(head.version)) +
           " <" + std::string(head.reason_phrase) + ">\n" + show_fields(head.fields);
}

template <typename Head>
std::string show_outcome(const ParseOutcome& outcome, const Head& head) {
    switch (outcome.state) {
        case ParseOutcome::State::need_more:
            return "need more";
        case ParseOutcome::State::failed:
            return std::string(describe(refusal_of(outcome.error)).name) + " " +
                   std::to_string(describe(outcome.error.reason).status);
        case ParseOutcome::State::complete:
            break;
    }
    return std::to_string(outcome.head_size) + " " + show(head);
}

/// The outcome after the text arrived in pieces that end at `cuts`, each time moved to a new place.
template <typename Parser, typename Head>
std::string feed(Parser parser, std::string_view text, const std::vector<size_t>& cuts) {
    Head head;
    ParseOutcome outcome;
    std::unique_ptr<Exact> bytes;
    for (size_t cut : cuts) {
        bytes = std::make_unique<Exact>(text.substr(0, cut));
        outcome = parser.parse(bytes->data(), bytes->size(), head);
        if (outcome.state != ParseOutcome::State::need_more) break;
    }
    return show_outcome(outcome, head);
}

/// Expects one outcome for all cuts and paths; returns it. `max_splits` thins out long texts.
template <typename Parser, typename Head, typename Make>
std::string feed_every_way(std::string_view text, Make make, size_t max_splits = 400) {
    std::string first;
    std::vector<size_t> each_byte;
    for (size_t i = 1; i <= text.size(); ++i) each_byte.push_back(i);
    for (const ScanPath* path : scan_paths()) {
        Parser parser = make(*path);
        std::string whole = feed<Parser, Head>(parser, text, {text.size()});
        if (first.empty()) first = whole;
        EXPECT_EQ(whole, first) << "whole, " << path->name << ": " << text;
        if (text.size() <= 4096) {
            std::string bytes = feed<Parser, Head>(parser, text, each_byte);
            EXPECT_EQ(bytes, first) << "by bytes, " << path->name << ": " << text;
        }
        size_t stride = text.size() / max_splits + 1;
        for (size_t at = 1; at < text.size(); at += stride) {
            std::string split = feed<Parser, Head>(parser, text, {at, text.size()});
            EXPECT_EQ(split, first) << "split at " << at << ", " << path->name << ": " << text;
            if (split != first) break;
        }
    }
    return first;
}

inline std::string feed_request(std::string_view text, const HeadLimits& limits = {}) {
    return feed_every_way<RequestParser, RequestHead>(
        text, [&](const ScanPath& path) { return RequestParser(limits, path); });
}
inline std::string feed_response(std::string_view text, const HeadLimits& limits = {}) {
    return feed_every_way<ResponseParser, ResponseHead>(
        text, [&](const ScanPath& path) { return ResponseParser(Source::upstream, limits, path); });
}

}  // namespace ringtime::http
