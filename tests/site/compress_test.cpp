// Codings made here: what they hold, who gets them, and that they come and go without a trace.

#include <brotli/decode.h>
#include <gmock/gmock.h>
#include <zlib.h>
#include <zstd.h>

#include "fixture.h"
#include "site/compress.h"
#include "site/compressor.h"

namespace ringtime::site {
namespace {

std::string text_of(size_t size) {
    std::string text;
    for (int i = 0; text.size() < size; ++i) text += "line " + std::to_string(i * i) + " of text\n";
    text.resize(size);
    return text;
}

std::string noise(size_t size) {
    std::string bytes;
    for (uint64_t i = 0; bytes.size() < size; ++i)
        bytes += static_cast<char>(hash_bytes({reinterpret_cast<char*>(&i), sizeof i}, 7));
    return bytes;
}

std::string gunzip(std::string_view bytes, size_t size) {
    std::string out(size + 1, '\0');
    z_stream state{};
    inflateInit2(&state, 15 + 16);
    state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    state.avail_in = static_cast<uInt>(bytes.size());
    state.next_out = reinterpret_cast<Bytef*>(out.data());
    state.avail_out = static_cast<uInt>(out.size());
    int result = inflate(&state, Z_FINISH);
    out.resize(state.total_out);
    inflateEnd(&state);
    return result == Z_STREAM_END && state.avail_in == 0 ? out : "broken";
}

std::string decode(Coding coding, std::string_view bytes, size_t size) {
    std::string out(size + 1, '\0');
    size_t written = out.size();
    switch (coding) {
        case Coding::gzip: return gunzip(bytes, size);
        case Coding::br:
            if (BrotliDecoderDecompress(bytes.size(),
                                        reinterpret_cast<const uint8_t*>(bytes.data()), &written,
                                        reinterpret_cast<uint8_t*>(out.data())) !=
                BROTLI_DECODER_RESULT_SUCCESS)
                return "broken";
            break;
        case Coding::zstd:
            written = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
            if (ZSTD_isError(written)) return "broken";
            break;
        case Coding::identity:
        case Coding::count_: return std::string(bytes);
    }
    out.resize(written);
    return out;
}

TEST(Compress, what_is_coded_is_decoded) {
    std::atomic<bool> stop{false};
    for (Coding coding : {Coding::br, Coding::zstd, Coding::gzip}) {
        for (size_t size : {512U, 65535U, 65536U, 65537U, 700'000U}) {
            std::string text = text_of(size);
            Compressed made = compress(text, coding, stop);
            ASSERT_NE(made.bytes, nullptr) << coding_name(coding) << size;
            EXPECT_LT(made.size, size / 2);
            EXPECT_TRUE(decode(coding, {made.bytes, made.size}, size) == text)
                << coding_name(coding) << size;
            Compressed again = compress(text, coding, stop);
            EXPECT_EQ(std::string_view(made.bytes, made.size),
                      std::string_view(again.bytes, again.size));
            std::free(made.bytes);
            std::free(again.bytes);
        }
        EXPECT_EQ(compress(noise(100'000), coding, stop).bytes, nullptr);
        EXPECT_EQ(compress("", coding, stop).bytes, nullptr);
        EXPECT_EQ(compress("a", coding, stop).bytes, nullptr);
    }
    stop = true;
    EXPECT_EQ(compress(text_of(100'000), Coding::gzip, stop).bytes, nullptr);
}

class CompressionTest : public SiteTest {
 protected:
    CompressionTest() {
        if (!ring_) return;
        with_.compressor = &compressor_;
        open_cache(with_);
    }
    ~CompressionTest() override { cache_.reset(); }

    /// Asks until the answer comes in `coding`.
    std::unique_ptr<Fetch> fetch_coded(const Site& site, const std::string& target,
                                       const std::string& coding) {
        for (int i = 0; i < 10'000; ++i) {
            auto answer = fetch(site, target, {{"accept-encoding", coding}});
            if (answer->field("content-encoding") == coding) return answer;
            EXPECT_EQ(answer->field("content-encoding"), "-");
            reactor_->turn(kNanosecondsPerMillisecond);
        }
        ADD_FAILURE() << "never in " << coding;
        return fetch(site, target);
    }

    // A test machine may be busy for longer than a test waits.
    Compressor compressor_{1 << 20, Compressor::Priority::as_started};
    CacheOptions with_;
};

TEST_F(CompressionTest, is_plain_until_it_is_ready) {
    std::string text = text_of(40'000);
    folder_.write("a.js", text);
    folder_.touch("a.js", 784111777);
    Site site(options());
    auto plain = fetch(site, "/a.js");
    EXPECT_EQ(plain->field("vary"), "accept-encoding");
    std::vector<std::string> tags{plain->field("etag")};
    auto first = fetch(site, "/a.js", {{"accept-encoding", "gzip"}});
    EXPECT_EQ(first->body, text);
    EXPECT_EQ(first->field("etag"), tags[0]);
    for (const char* coding : {"br", "zstd", "gzip"}) {
        auto coded = fetch_coded(site, "/a.js", coding);
        EXPECT_LT(coded->body.size(), text.size() / 2);
        EXPECT_EQ(coded->field("content-length"), std::to_string(coded->body.size()));
        EXPECT_EQ(coded->field("vary"), "accept-encoding");
        EXPECT_EQ(coded->field("content-type"), "text/javascript; charset=utf-8");
        EXPECT_EQ(coded->field("last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
        EXPECT_EQ(coded->field("cache-control"), "no-cache");
        EXPECT_THAT(tags, testing::Not(testing::Contains(coded->field("etag"))));
        tags.push_back(coded->field("etag"));
    }
    // The best of all that are there now.
    EXPECT_EQ(fetch(site, "/a.js", {{"accept-encoding", "gzip, zstd, br"}})
                  ->field("content-encoding"), "br");
    EXPECT_EQ(fetch(site, "/a.js")->body, text);
    EXPECT_EQ(cache_->counters().compressed, 3U);
    EXPECT_EQ(compressor_.made(), 3U);
    // Each tag is known again: the coding's own, and the plain one whatever is accepted.
    for (size_t i = 0; i < tags.size(); ++i) {
        const char* codings[] = {"br", "br", "zstd", "gzip"};
        auto known = fetch(site, "/a.js",
                           {{"accept-encoding", codings[i]}, {"if-none-match", tags[i]}});
        EXPECT_EQ(known->status(), 304);
        EXPECT_EQ(known->field("etag"), tags[i]);
    }
}

TEST_F(CompressionTest, ranges_are_of_the_file_itself) {
    std::string text = text_of(40'000);
    folder_.write("a.css", text);
    Site site(options());
    std::string tag = fetch_coded(site, "/a.css", "gzip")->field("etag");
    auto part = fetch(site, "/a.css", {{"accept-encoding", "gzip"}, {"range", "bytes=10-19"}});
    EXPECT_EQ(part->status(), 206);
    EXPECT_EQ(part->field("content-encoding"), "-");
    EXPECT_EQ(part->body, text.substr(10, 10));
    auto other = fetch(site, "/a.css", {{"accept-encoding", "gzip"}, {"range", "bytes=10-19"},
                                        {"if-range", tag}});
    EXPECT_EQ(other->status(), 200);
    EXPECT_EQ(other->body, text);
}

TEST_F(CompressionTest, leaves_alone_what_gains_nothing) {
    folder_.write("small.js", "let a;");
    folder_.write("photo.png", text_of(9000));
    folder_.write("noise.txt", noise(9000));
    folder_.write("large.txt", text_of(9000));
    folder_.write("beside.js", text_of(9000));
    folder_.write("beside.js.br", "lies here");
    with_.memory_file_bytes = 9500;
    open_cache(with_);
    folder_.write("streamed.txt", text_of(9600));
    Site site(options());
    std::vector<Fields::Line> any = {{"accept-encoding", "br"}};
    for (const char* target : {"/small.js", "/photo.png", "/streamed.txt"}) {
        EXPECT_EQ(fetch(site, target, any)->field("vary"), "-") << target;
        EXPECT_EQ(fetch(site, target, any)->field("content-encoding"), "-") << target;
    }
    EXPECT_EQ(fetch(site, "/noise.txt", any)->field("vary"), "accept-encoding");
    while (compressor_.made() == 0) reactor_->turn(kNanosecondsPerMillisecond);
    // Tried once, and not again: of two files in a row the second would come too late.
    EXPECT_EQ(fetch(site, "/noise.txt", any)->field("content-encoding"), "-");
    // A sibling is the site's own choice; another coding is made beside it.
    EXPECT_EQ(fetch(site, "/beside.js", any)->body, "lies here");
    EXPECT_EQ(fetch_coded(site, "/beside.js", "gzip")->field("vary"), "accept-encoding");
    EXPECT_EQ(compressor_.made(), 2U);
    EXPECT_EQ(fetch(site, "/beside.js", {{"accept-encoding", "gzip, br"}})->body, "lies here");
    SiteOptions off = options();
    off.compress = false;
    EXPECT_EQ(fetch(Site(off), "/large.txt", any)->field("vary"), "-");
}

TEST_F(CompressionTest, holds_what_was_added_to_a_page) {
    folder_.write("index.html", "<head></head>" + text_of(5000));
    SiteOptions with = options();
    with.inject_base = true;
    with.base = "/shop";
    with.env_json = R"({"PUBLIC_X":"1"})";
    Site site(with);
    std::string page = fetch(site, "/")->body;
    EXPECT_THAT(page, testing::StartsWith("<head><base href=\"/shop/\"><script>"));
    auto coded = fetch_coded(site, "/deep/link", "br");
    EXPECT_EQ(decode(Coding::br, coded->body, page.size()), page);
    EXPECT_EQ(coded->field("last-modified"), "-");
}

TEST_F(CompressionTest, a_new_version_begins_anew) {
    folder_.write("a.js", text_of(5000));
    Site site(options());
    std::string old = fetch_coded(site, "/a.js", "gzip")->body;
    age();
    EXPECT_EQ(fetch(site, "/a.js", {{"accept-encoding", "gzip"}})->body, old);
    folder_.replace("a.js", "new " + text_of(5000));
    age();
    EXPECT_EQ(fetch(site, "/a.js", {{"accept-encoding", "gzip"}})->body, "new " + text_of(5000));
    EXPECT_EQ(gunzip(fetch_coded(site, "/a.js", "gzip")->body, 6000), "new " + text_of(5000));
}

TEST_F(CompressionTest, the_other_cores_get_what_one_had_made) {
    folder_.write("a.js", text_of(5000));
    Site site(options());
    std::string first = fetch_coded(site, "/a.js", "br")->body;
    open_cache(with_);  // Another core's, as it were: it knows nothing.
    EXPECT_EQ(fetch_coded(site, "/a.js", "br")->body, first);
    EXPECT_EQ(compressor_.made(), 1U);
}

TEST_F(CompressionTest, goes_away_while_files_are_compressed) {
    Site site(options());
    for (int i = 0; i < 40; ++i)
        folder_.write(std::to_string(i) + ".txt", std::to_string(i) + text_of(300'000));
    for (int i = 0; i < 40; ++i)
        fetch(site, "/" + std::to_string(i) + ".txt", {{"accept-encoding", "br"}});
    // What waits comes back undone; what runs is waited for.
    cache_.reset();
    EXPECT_LT(compressor_.made(), 40U);
}

}  // namespace
}  // namespace ringtime::site
