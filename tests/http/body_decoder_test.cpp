// Bodies out of their framing: every row whole, byte by byte and at every split.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "feed.h"
#include "http/body_decoder.h"
#include "http/head_writer.h"

namespace ringtime::http {
namespace {

using namespace std::string_view_literals;

struct Fed {
    std::string data;
    size_t consumed = 0;
    bool done = false;
    Error error;
    bool operator==(const Fed&) const = default;
};

void feed_piece(BodyDecoder& decoder, std::string_view piece, Fed& run) {
    Exact bytes(piece);
    size_t at = 0;
    while (at < bytes.size() && !run.done && run.error.ok()) {
        BodyDecoder::Step step = decoder.decode(bytes.data() + at, bytes.size() - at);
        if (step.size > 0) run.data.append(step.data, step.size);
        at += step.consumed;
        run.consumed += step.consumed;
        run.done = step.done;
        run.error = step.error;
    }
}

std::string show(const Fed& run) {
    if (!run.error.ok()) {
        return std::string(describe(refusal_of(run.error)).name) + " " +
               std::to_string(describe(run.error.reason).status) + " after [" + run.data + "]";
    }
    return "[" + run.data + "] " + (run.done ? "done " : "open ") + std::to_string(run.consumed);
}

std::string decode(const Framing& framing, std::string_view text) {
    Fed first;
    BodyDecoder whole(framing);
    feed_piece(whole, text, first);
    BodyDecoder bytes(framing);
    Fed run;
    for (size_t i = 0; i < text.size(); ++i) feed_piece(bytes, text.substr(i, 1), run);
    EXPECT_EQ(show(run), show(first)) << "by bytes: " << text;
    for (size_t at = 0; at <= text.size(); at += 1 + text.size() / 400) {
        BodyDecoder split(framing);
        run = {};
        feed_piece(split, text.substr(0, at), run);
        feed_piece(split, text.substr(at), run);
        EXPECT_EQ(show(run), show(first)) << "split at " << at << ": " << text;
    }
    return show(first);
}

std::string decode_chunked(std::string_view text) {
    return decode({.kind = BodyKind::chunked}, text);
}

TEST(BodyDecoder, yields_the_data_of_chunks_in_place) {
    EXPECT_EQ(decode_chunked("0\r\n\r\nGET"), "[] done 5");
    EXPECT_EQ(decode_chunked("5\r\nhello\r\n00a\r\n0123456789\r\n0\r\n\r\n"),
              "[hello0123456789] done 32");
    EXPECT_EQ(decode_chunked("5\r\nhel"), "[hel] open 6");
    EXPECT_EQ(decode_chunked("1;a\r\nx\r\n1 ; a = b\t;c=\"q;\\\"\\\\\x80 \"\r\ny\r\n0;z\r\n\r\n"),
              "[xy] done 43");
    EXPECT_EQ(decode_chunked("0\r\nT: v\r\nU:\r\n\r\n"), "[] done 15");
    std::string text = "5\r\nhello\r\n0\r\n\r\n";
    BodyDecoder decoder(Framing{.kind = BodyKind::chunked});
    BodyDecoder::Step step = decoder.decode(text.data(), text.size());
    EXPECT_EQ(step.data, text.data() + 3);
    EXPECT_EQ(step.size, 5u);
    EXPECT_EQ(step.consumed, text.size());
    EXPECT_TRUE(step.done);
}

TEST(BodyDecoder, refuses_malformed_chunks) {
    struct {
        std::string_view text;
        std::string_view outcome;
        std::string_view source;
    } rows[] = {
        {"\r\n", "chunk_size_missing 400 after []", "RFC 9112 7.1"},
        {"x", "chunk_size_missing 400 after []", "RFC 9112 7.1"},
        {";a\r\n", "chunk_size_missing 400 after []", "RFC 9112 7.1"},
        {" 5\r\n", "chunk_size_missing 400 after []", "RFC 9112 7.1"},
        {"+5\r\n", "chunk_size_missing 400 after []", "RFC 9112 7.1: no sign"},
        {"-5\r\n", "chunk_size_missing 400 after []", "RFC 9112 7.1: no sign"},
        {"0x5\r\n", "chunk_size_byte 400 after []", "RFC 9112 7.1: no prefix"},
        {"1_0\r\n", "chunk_size_byte 400 after []", "RFC 9112 7.1"},
        {"5\0\r\n"sv, "chunk_size_byte 400 after []", "RFC 9112 7.1"},
        {"5\n", "bare_lf 400 after []", "erratum 7633, CVE-2025-22871"},
        {"5\rx", "bare_cr 400 after []", "erratum 7633"},
        {"8000000000000000\r\n", "chunk_size_overflow 400 after []", "RFC 9112 7.1"},
        {"10000000000000005\r\n", "chunk_size_overflow 400 after []", "wraps to 5"},
        {"00000000000000005\r\n", "chunk_size_overflow 400 after []", "17 digits"},
        {"5 \r\n", "chunk_extension_byte 400 after []", "RFC 9112 7.1.1: BWS binds to a ;"},
        {"5;\r\n", "chunk_extension_byte 400 after []", "RFC 9112 7.1.1"},
        {"5;a=\r\n", "chunk_extension_byte 400 after []", "RFC 9112 7.1.1"},
        {"5;a \r\n", "chunk_extension_byte 400 after []", "RFC 9112 7.1.1"},
        {"5;a b\r\n", "chunk_extension_byte 400 after []", "RFC 9112 7.1.1"},
        {"5;a=\"b\r\n", "chunk_extension_byte 400 after []", "RFC 9110 5.6.4"},
        {"5;a=\"b\"c\r\n", "chunk_extension_byte 400 after []", "RFC 9112 7.1.1"},
        {"5;a\n", "bare_lf 400 after []", "CVE-2025-55315"},
        {"5;a=\"\n\"\r\n", "bare_lf 400 after []", "CVE-2025-55315"},
        {"5;a\rb\r\n", "bare_cr 400 after []", "CVE-2025-55315"},
        {"5;\x01\r\n", "chunk_extension_byte 400 after []", "RFC 9112 7.1.1"},
        {"5\r\nhelloX", "chunk_end_missing 400 after [hello]", "RFC 9112 7.1"},
        {"5\r\nhello\n", "chunk_end_missing 400 after [hello]", "RFC 9112 7.1"},
        {"5\r\nhello\rX", "chunk_end_missing 400 after [hello]", "RFC 9112 7.1"},
        {"5\r\nhello0\r\n", "chunk_end_missing 400 after [hello]", "RFC 9112 7.1"},
        {"0\r\n\n", "bare_lf 400 after []", "RFC 9112 2.2"},
        {"0\r\n\rX", "bare_cr 400 after []", "RFC 9112 2.2"},
        {"0\r\n a: b\r\n", "leading_whitespace 400 after []", "RFC 9112 2.2"},
        {"0\r\na: b\r\n c\r\n", "obs_fold 400 after []", "RFC 9112 5.2"},
        {"0\r\na : b\r\n", "field_space_before_colon 400 after []", "RFC 9112 5.1"},
        {"0\r\nGET / HTTP/1.1\r\n", "field_space_before_colon 400 after []",
         "a request smuggled in"},
        {"0\r\na\r\n", "field_colon_missing 400 after []", "RFC 9112 5"},
        {"0\r\n:\r\n", "field_name_empty 400 after []", "RFC 9110 5.1"},
        {"0\r\na\x80: b\r\n", "field_name_byte 400 after []", "RFC 9110 5.1"},
        {"0\r\na: b\x01\r\n", "field_value_byte 400 after []", "RFC 9110 5.5"},
        {"0\r\na: b\n\r\n", "bare_lf 400 after []", "RFC 9112 2.2"},
        {"0\r\na: b\rc\r\n", "bare_cr 400 after []", "RFC 9112 2.2"},
    };
    for (auto& row : rows) EXPECT_EQ(decode_chunked(row.text), row.outcome) << row.source;
}

TEST(BodyDecoder, bounds_lines_extensions_and_trailers) {
    auto line = [](size_t size) { return "1;" + std::string(size - 2, 'a') + "\r\nx\r\n"; };
    EXPECT_TRUE(decode_chunked(line(4096)).starts_with("[x] open"));
    EXPECT_EQ(decode_chunked(line(4097)), "chunk_line_too_long 400 after []");
    std::string many;
    for (int i = 0; i < 4; ++i) many += line(4096);
    EXPECT_EQ(decode_chunked(many + line(40)), "chunk_extensions_too_large 400 after [xxxx]");
    std::string trailers(8192 - 7, 'v');
    EXPECT_TRUE(decode_chunked("0\r\nT: " + trailers.substr(0, 8192 - 7) + "\r\n\r\n")
                    .starts_with("[] done"));
    EXPECT_EQ(decode_chunked("0\r\nT: " + trailers + "v\r\n\r\n"),
              "trailers_too_large 431 after []");
    std::string lines;
    for (int i = 0; i < 101; ++i) lines += "a:\r\n";
    EXPECT_EQ(decode_chunked("0\r\n" + lines + "\r\n"), "trailers_too_many 431 after []");
}

TEST(BodyDecoder, counts_lengths_and_leaves_the_rest) {
    EXPECT_EQ(decode({.kind = BodyKind::length, .length = 5}, "helloGET"), "[hello] done 5");
    EXPECT_EQ(decode({.kind = BodyKind::length, .length = 9}, "hello"), "[hello] open 5");
    EXPECT_EQ(decode({.kind = BodyKind::until_close}, "hello"), "[hello] open 5");
    for (BodyKind kind : {BodyKind::none, BodyKind::length}) {
        BodyDecoder decoder(Framing{.kind = kind});
        EXPECT_TRUE(decoder.done());
        BodyDecoder::Step step = decoder.decode("GET", 3);
        EXPECT_TRUE(step.done);
        EXPECT_EQ(step.consumed, 0u);
    }
}

TEST(BodyDecoder, knows_a_truncated_body) {
    struct {
        Framing framing;
        std::string_view text;
        BodyDecoder::End end;
    } rows[] = {
        {{.kind = BodyKind::length, .length = 5}, "hell", BodyDecoder::End::truncated},
        {{.kind = BodyKind::length, .length = 5}, "hello", BodyDecoder::End::complete},
        {{.kind = BodyKind::until_close}, "x", BodyDecoder::End::complete},
        {{.kind = BodyKind::chunked}, "", BodyDecoder::End::truncated},
        {{.kind = BodyKind::chunked}, "1\r\nx\r\n", BodyDecoder::End::truncated},
        {{.kind = BodyKind::chunked}, "1\r\nx\r\n0\r\n", BodyDecoder::End::truncated},
        {{.kind = BodyKind::chunked}, "1\r\nx\r\n0\r\n\r", BodyDecoder::End::truncated},
        {{.kind = BodyKind::chunked}, "1\r\nx\r\n0\r\n\r\n", BodyDecoder::End::complete},
        {{.kind = BodyKind::chunked}, "x", BodyDecoder::End::truncated},
    };
    for (auto& row : rows) {
        BodyDecoder decoder(row.framing);
        Fed run;
        feed_piece(decoder, row.text, run);
        EXPECT_EQ(decoder.on_eof(), row.end) << row.text;
    }
}

TEST(BodyDecoder, keeps_the_trailers_that_may_pass) {
    auto store = std::make_unique<TrailerStore>();
    char text[64];
    store->text = text;
    store->capacity = sizeof text;
    std::string body = "1\r\nx\r\n0\r\nGrpc-Status: 0 \r\nContent-Length: 7\r\nA:b\r\n\r\n";
    for (size_t split = 0; split <= body.size(); ++split) {
        BodyDecoder decoder(Framing{.kind = BodyKind::chunked}, Source::upstream, store.get());
        Fed run;
        feed_piece(decoder, std::string_view(body).substr(0, split), run);
        feed_piece(decoder, std::string_view(body).substr(split), run);
        ASSERT_TRUE(run.done);
        EXPECT_EQ(show_fields(store->fields), "Grpc-Status=[0]0\nA=[b]0\n");
    }
    // A section that does not fit is dropped as a whole, and the body is complete all the same.
    store->capacity = 16;
    BodyDecoder decoder(Framing{.kind = BodyKind::chunked}, Source::upstream, store.get());
    Fed run;
    feed_piece(decoder, body, run);
    EXPECT_TRUE(run.done);
    EXPECT_EQ(store->fields.size(), 0u);
}

TEST(BodyDecoder, blames_the_sender) {
    BodyDecoder decoder(Framing{.kind = BodyKind::chunked}, Source::upstream);
    EXPECT_EQ(decoder.decode("x", 1).error.reason, Reason::upstream_protocol);
    EXPECT_EQ(decoder.decode("0", 1).error.reason, Reason::upstream_protocol) << "sticky";
}

}  // namespace
}  // namespace ringtime::http
