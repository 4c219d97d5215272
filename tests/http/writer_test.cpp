// Heads written: never beyond their room, never split.

#include <gtest/gtest.h>

#include <string>

#include "feed.h"
#include "http/head_writer.h"

namespace ringtime::http {
namespace {

using namespace std::string_view_literals;
using State = HeadWriter::State;

TEST(HeadWriter, writes_lines) {
    char room[512];
    HeadWriter writer(room, sizeof room);
    writer.request_line("GET", "/a", "b=c");
    writer.field("host", "h");
    writer.field("empty", "");
    writer.joined_field("via", "1.0 a", "1.1 b");
    writer.joined_field("via", "", "1.1 b");
    writer.number_field("content-length", UINT64_MAX);
    writer.prepared("x: y\r\n");
    writer.end();
    EXPECT_TRUE(writer.ok());
    EXPECT_EQ(writer.text(),
              "GET /a?b=c HTTP/1.1\r\nhost: h\r\nempty: \r\nvia: 1.0 a, 1.1 b\r\nvia: 1.1 b\r\n"
              "content-length: 18446744073709551615\r\nx: y\r\n\r\n");
    HeadWriter query(room, sizeof room);
    query.request_line("GET", "/", std::string_view("", 0));
    EXPECT_EQ(query.text(), "GET /? HTTP/1.1\r\n");
}

TEST(HeadWriter, writes_status_lines) {
    char room[128];
    auto line = [&](auto... arguments) {
        HeadWriter writer(room, sizeof room);
        writer.status_line(arguments...);
        return writer.ok() ? std::string(writer.text()) : "refused";
    };
    EXPECT_EQ(line(200u), "HTTP/1.1 200 OK\r\n");
    EXPECT_EQ(line(299u), "HTTP/1.1 299 \r\n");
    EXPECT_EQ(line(404u, "Gone\tFishing \xfc"sv), "HTTP/1.1 404 Gone\tFishing \xfc\r\n");
    EXPECT_EQ(line(99u), "refused");
    EXPECT_EQ(line(1000u), "refused");
    EXPECT_EQ(line(200u, "a\r\nb"sv), "refused");
}

TEST(HeadWriter, refuses_whatever_could_split) {
    char room[256];
    auto state_of = [&](auto write) {
        HeadWriter writer(room, sizeof room);
        write(writer);
        EXPECT_EQ(writer.size(), 0u);
        writer.field("a", "b");
        EXPECT_EQ(writer.size(), 0u) << "sticky";
        return writer.state();
    };
    for (std::string_view value :
         {"a\r\nb: c"sv, "a\nb"sv, "a\rb"sv, "a\0b"sv, "\x01"sv, "\x7f"sv}) {
        EXPECT_EQ(state_of([&](HeadWriter& writer) { writer.field("a", value); }), State::invalid);
        EXPECT_EQ(state_of([&](HeadWriter& writer) { writer.joined_field("a", value, "b"); }),
                  State::invalid);
        EXPECT_EQ(state_of([&](HeadWriter& writer) { writer.joined_field("a", "b", value); }),
                  State::invalid);
    }
    for (std::string_view name : {""sv, "a b"sv, "a:"sv, "a\r\n"sv, "a\0"sv, "\xc3\xa9"sv}) {
        EXPECT_EQ(state_of([&](HeadWriter& writer) { writer.field(name, "v"); }), State::invalid);
        EXPECT_EQ(state_of([&](HeadWriter& writer) { writer.number_field(name, 1); }),
                  State::invalid);
    }
    for (std::string_view path : {""sv, "/ "sv, "/\r\n"sv, "/#"sv, "/\xff"sv}) {
        EXPECT_EQ(state_of([&](HeadWriter& writer) { writer.request_line("GET", path); }),
                  State::invalid);
    }
    EXPECT_EQ(state_of([](HeadWriter& writer) { writer.request_line("G T", "/"); }),
              State::invalid);
    EXPECT_EQ(state_of([](HeadWriter& writer) { writer.request_line("GET", "/", "a b"); }),
              State::invalid);
}

TEST(HeadWriter, never_writes_beyond_its_room) {
    std::string expected;
    for (size_t room = 256;; --room) {
        Exact memory(std::string(room, '\0'));
        HeadWriter writer(const_cast<char*>(memory.data()), memory.size());
        writer.status_line(200);
        writer.field("name", "value");
        writer.joined_field("list", "a", "b");
        writer.number_field("n", 12345);
        size_t at = writer.reserve_content_length();
        writer.set_content_length(at, 7);
        writer.end();
        if (room == 256) expected = writer.text();
        EXPECT_EQ(writer.ok(), room >= expected.size()) << room;
        EXPECT_EQ(writer.state() == State::overflow, room < expected.size()) << room;
        EXPECT_LE(writer.size(), room);
        if (room == 0) break;
    }
}

TEST(HeadWriter, leaves_room_for_a_length_that_comes_later) {
    char room[128];
    HeadWriter writer(room, sizeof room);
    size_t at = writer.reserve_content_length();
    EXPECT_EQ(writer.text(), "content-length:                    0\r\n");
    writer.set_content_length(at, 123);
    EXPECT_EQ(writer.text(), "content-length:                  123\r\n");
    writer.set_content_length(at, UINT64_MAX);
    EXPECT_EQ(writer.text(), "content-length: 18446744073709551615\r\n");
}

TEST(HeadWriter, copies_received_lines_and_repairs_their_blanks) {
    std::string text = "HTTP/1.1 200 OK\r\nA: b\r\nC:d\r\nE:\t f\tg \r\nH:\r\nI: \r\n\r\n";
    ResponseHead head;
    ResponseParser parser;
    ASSERT_TRUE(parser.parse(text.data(), text.size(), head).complete());
    char room[128];
    HeadWriter writer(room, sizeof room);
    for (unsigned i = 0; i < head.fields.size(); ++i) {
        writer.received_field(head.fields, head.fields[i]);
    }
    EXPECT_EQ(writer.text(), "A: b\r\nC: d\r\nE: f\tg\r\nH: \r\nI: \r\n");
}

TEST(ChunkLine, is_lower_case_hex_without_leading_zeros) {
    char out[chunk_line_size_max];
    auto line = [&](uint64_t size) { return std::string(out, write_chunk_line(size, out)); };
    EXPECT_EQ(line(1), "1\r\n");
    EXPECT_EQ(line(15), "f\r\n");
    EXPECT_EQ(line(16), "10\r\n");
    EXPECT_EQ(line(0x12ab), "12ab\r\n");
    EXPECT_EQ(line(UINT64_MAX), "ffffffffffffffff\r\n");
}

}  // namespace
}  // namespace ringtime::http
