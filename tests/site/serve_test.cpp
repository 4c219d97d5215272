// What a site answers, on a real folder and a real ring.

#include <gmock/gmock.h>

#include "fixture.h"

namespace ringtime::site {
namespace {

using http::Method;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kPage = "<!doctype html><html><head><title>t</title></head><body></body></html>";

TEST_F(SiteTest, serves_a_file_with_everything_a_cache_needs) {
    folder_.write("app.js", "let a = 1;\n");
    folder_.touch("app.js", 784111777);
    Site site(options());
    auto answer = fetch(site, "/app.js");
    EXPECT_EQ(answer->status(), 200);
    EXPECT_EQ(answer->body, "let a = 1;\n");
    EXPECT_EQ(answer->field("content-type"), "text/javascript; charset=utf-8");
    EXPECT_EQ(answer->field("content-length"), "11");
    EXPECT_EQ(answer->field("last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(answer->field("cache-control"), "no-cache");
    EXPECT_EQ(answer->field("accept-ranges"), "bytes");
    EXPECT_EQ(answer->field("x-content-type-options"), "nosniff");
    EXPECT_EQ(answer->field("vary"), "-");
    EXPECT_THAT(answer->field("etag"), StartsWith("\"b-"));
    EXPECT_EQ(answer->answer().length(), 11U);
}

TEST_F(SiteTest, answers_methods) {
    folder_.write("a.txt", "12345");
    Site site(options());
    auto head = fetch(site, "/a.txt", {}, Method::head);
    EXPECT_EQ(head->status(), 200);
    EXPECT_EQ(head->field("content-length"), "5");
    EXPECT_EQ(head->answer().length(), 5U);
    Piece piece;
    EXPECT_EQ(head->answer().body().pull(piece, 100), http::Pull::end);
    EXPECT_EQ(fetch(site, "/a.txt", {}, Method::options)->status(), 204);
    EXPECT_EQ(fetch(site, "/a.txt", {}, Method::options)->field("allow"), "GET, HEAD, OPTIONS");
    for (Method method :
         {Method::post, Method::put, Method::delete_, Method::patch, Method::other}) {
        auto refused = fetch(site, "/a.txt", {}, method);
        EXPECT_EQ(refused->status(), 405);
        EXPECT_EQ(refused->field("allow"), "GET, HEAD, OPTIONS");
        EXPECT_EQ(refused->answer().error().reason, Reason::method_not_allowed);
        EXPECT_FALSE(refused->body.empty());
    }
}

TEST_F(SiteTest, falls_back_to_the_entrypoint_for_pages_only) {
    folder_.write("index.html", kPage);
    folder_.write("assets/x.css", "a{}");
    Site site(options());
    std::vector<Fields::Line> script = {{"accept", "*/*"}};
    std::vector<Fields::Line> browser = {{"accept", "text/html,application/xhtml+xml,*/*;q=0.8"}};
    struct Row {
        const char* target;
        const std::vector<Fields::Line>& fields;
        int status;
    };
    const Row rows[] = {
        {"/", script, 200},          {"/index.html", script, 200}, {"/users/7", script, 200},
        {"/users/7/", script, 200},  {"/gone.js", script, 404},    {"/gone.js", browser, 200},
        {"/gone.html", script, 200}, {"/release-1.2", script, 200}, {"/index.html/x", script, 200},
        {"/assets", script, 200},    {"/assets/", script, 200},    {"/a//b", script, 200},
        {"/a//b.js", script, 404},
    };
    for (const Row& row : rows) {
        auto answer = fetch(site, row.target, row.fields);
        EXPECT_EQ(answer->status(), row.status) << row.target;
        if (row.status == 200) { EXPECT_EQ(answer->body, kPage) << row.target; }
    }
    EXPECT_EQ(fetch(site, "/gone.js", script)->answer().error().reason, Reason::not_found);
}

TEST_F(SiteTest, without_an_entrypoint_missing_is_404) {
    folder_.write("a.txt", "x");
    Site site(options());
    EXPECT_EQ(fetch(site, "/")->status(), 404);
    EXPECT_EQ(fetch(site, "/nothing")->status(), 404);
    SiteOptions gone = options();
    gone.folder += "/nowhere";
    auto failed = fetch(Site(gone), "/a.txt");
    EXPECT_TRUE(failed->failed);
    EXPECT_EQ(failed->answer().error().reason, Reason::internal);
}

TEST_F(SiteTest, redirects_folders_below_the_mount) {
    folder_.write("index.html", "root");
    folder_.write("docs/index.html", "docs");
    folder_.write("d \xc3\xa9/index.html", "accents");
    SiteOptions mounted = options();
    mounted.base = "/shop/v1";
    Site site(mounted);
    auto moved = fetch(site, "/docs?a=%2F&b");
    EXPECT_EQ(moved->status(), 301);
    EXPECT_EQ(moved->field("location"), "/shop/v1/docs/?a=%2F&b");
    EXPECT_EQ(fetch(site, "/docs/")->body, "docs");
    EXPECT_EQ(fetch(site, "/d%20%C3%A9")->field("location"), "/shop/v1/d%20%C3%A9/");
    EXPECT_EQ(fetch(site, "/d%20%C3%A9/")->body, "accents");
    EXPECT_EQ(fetch(Site(options()), "/docs")->field("location"), "/docs/");
    EXPECT_EQ(fetch(site, "/docs?" + std::string(8000, 'x'))->status(), 414);
}

TEST_F(SiteTest, never_leaves_the_folder) {
    TempFolder outside;
    outside.write("secret.txt", "secret");
    folder_.write("index.html", "index");
    folder_.write("inside.txt", "inside");
    folder_.write(".env", "KEY=1");
    folder_.write(".git/config", "x");
    folder_.write(".well-known/security.txt", "contact");
    folder_.write("sub/.hidden/x.txt", "x");
    namespace fs = std::filesystem;
    fs::create_symlink(outside.path("secret.txt"), folder_.path("absolute.txt"));
    fs::create_symlink(fs::path("..") / outside.path().filename() / "secret.txt",
                       folder_.path("relative.txt"));
    fs::create_directory_symlink(outside.path(), folder_.path("folder"));
    fs::create_symlink("inside.txt", folder_.path("link.txt"));
    fs::create_symlink("../inside.txt", folder_.path("sub/up.txt"));
    fs::create_symlink("loop.txt", folder_.path("loop.txt"));
    fs::create_symlink("/proc/self/root/etc/passwd", folder_.path("magic.txt"));
    ASSERT_EQ(::mkfifo(folder_.path("pipe").c_str(), 0600), 0);
    Site site(options());
    std::vector<Fields::Line> browser = {{"accept", "text/html"}};
    for (const char* target :
         {"/absolute.txt", "/relative.txt", "/folder/secret.txt", "/loop.txt", "/magic.txt",
          "/pipe", "/.env", "/.git/config", "/.git", "/sub/.hidden/x.txt", "/sub/.well-known/x",
          "/..", "/../x", "/%2e%2e/x", "/sub/%2e%2e/inside.txt", "/sub%2Finside.txt",
          "/%2finside.txt", "/%2Eenv", "/.%2e/x"}) {
        EXPECT_EQ(fetch(site, target, browser)->status(), 404) << target;
    }
    for (const char* target : {"/a%00b", "/inside.txt%00.html", "/%", "/%4", "/%zz", "/%0"})
        EXPECT_EQ(fetch(site, target, browser)->status(), 400) << target;
    EXPECT_EQ(fetch(site, "/link.txt")->body, "inside");
    EXPECT_EQ(fetch(site, "/sub/up.txt")->body, "inside");
    EXPECT_EQ(fetch(site, "/.well-known/security.txt")->body, "contact");
    EXPECT_EQ(fetch(site, "/inside%2Etxt")->body, "inside");
}

TEST_F(SiteTest, decodes_each_segment_once) {
    folder_.write("100%25.txt", "wrong");
    folder_.write("100%.txt", "right");
    folder_.write("a b+c.txt", "plus");
    folder_.write("back\\slash.txt", "byte");
    Site site(options());
    EXPECT_EQ(fetch(site, "/100%25.txt")->body, "right");
    EXPECT_EQ(fetch(site, "/100%2525.txt")->body, "wrong");
    EXPECT_EQ(fetch(site, "/a%20b+c.txt")->body, "plus");
    EXPECT_EQ(fetch(site, "/back%5Cslash.txt")->body, "byte");
}

TEST_F(SiteTest, answers_conditions) {
    folder_.write("a.txt", "abc");
    folder_.touch("a.txt", 784111777);
    Site site(options());
    std::string tag = fetch(site, "/a.txt")->field("etag");
    struct Row {
        std::vector<Fields::Line> fields;
        int status;
    };
    const Row rows[] = {
        {{{"if-none-match", tag}}, 304},
        {{{"if-none-match", "W/" + tag}}, 304},
        {{{"if-none-match", "\"x\", " + tag}}, 304},
        {{{"if-none-match", "\"x\""}, {"if-none-match", tag}}, 304},
        {{{"if-none-match", "*"}}, 304},
        {{{"if-none-match", "\"x\""}}, 200},
        {{{"if-none-match", "\"x\""}, {"if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"}}, 200},
        {{{"if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"}}, 304},
        {{{"if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT"}}, 304},
        {{{"if-modified-since", "Sun Nov  6 08:49:37 1994"}}, 304},
        {{{"if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT"}}, 200},
        {{{"if-modified-since", "yesterday"}}, 200},
        {{{"if-match", tag}}, 200},
        {{{"if-match", "*"}}, 200},
        {{{"if-match", "W/" + tag}}, 412},
        {{{"if-match", "\"x\""}}, 412},
        {{{"if-match", tag}, {"if-none-match", tag}}, 304},
        {{{"if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"}}, 200},
        {{{"if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT"}}, 412},
        {{{"range", "bytes=1-"}, {"if-none-match", tag}}, 304},
        {{{"range", "bytes=1-"}, {"if-range", tag}}, 206},
        {{{"range", "bytes=1-"}, {"if-range", "\"x\""}}, 200},
        {{{"range", "bytes=1-"}, {"if-range", "W/" + tag}}, 200},
        {{{"range", "bytes=1-"}, {"if-range", "Sun, 06 Nov 1994 08:49:37 GMT"}}, 206},
        {{{"range", "bytes=1-"}, {"if-range", "Sun, 06 Nov 1994 08:49:38 GMT"}}, 200},
        {{{"range", "bytes=7-"}, {"if-range", "\"x\""}}, 200},
    };
    for (const Row& row : rows) {
        auto answer = fetch(site, "/a.txt", row.fields);
        EXPECT_EQ(answer->status(), row.status) << row.fields[0].first << row.fields[0].second;
        if (row.status != 304) continue;
        EXPECT_EQ(answer->field("etag"), tag);
        EXPECT_EQ(answer->field("cache-control"), "no-cache");
        EXPECT_EQ(answer->field("content-length"), "-");
        EXPECT_EQ(answer->body, "");
    }
}

TEST_F(SiteTest, answers_ranges) {
    folder_.write("a.bin", "0123456789");
    folder_.write("empty.bin", "");
    Site site(options());
    struct Row {
        const char* range;
        int status;
        const char* content_range;
        const char* body;
    };
    const Row rows[] = {
        {"bytes=0-0", 206, "bytes 0-0/10", "0"},
        {"bytes=2-4", 206, "bytes 2-4/10", "234"},
        {"bytes=7-", 206, "bytes 7-9/10", "789"},
        {"bytes=-3", 206, "bytes 7-9/10", "789"},
        {"bytes=-30", 206, "bytes 0-9/10", "0123456789"},
        {"bytes=8-100", 206, "bytes 8-9/10", "89"},
        {"Bytes=0-1,2-3", 206, "bytes 0-3/10", "0123"},
        {"bytes=10-", 416, "bytes */10", ""},
        {"bytes=-0", 416, "bytes */10", ""},
        {"bytes=99999999999999999999-", 416, "bytes */10", ""},
        {"bytes=5-4", 200, "-", "0123456789"},
        {"bytes=a-b", 200, "-", "0123456789"},
        {"bytes=", 200, "-", "0123456789"},
        {"lines=1-2", 200, "-", "0123456789"},
    };
    for (const Row& row : rows) {
        auto answer = fetch(site, "/a.bin", {{"range", row.range}});
        EXPECT_EQ(answer->status(), row.status) << row.range;
        EXPECT_EQ(answer->field("content-range"), row.content_range) << row.range;
        EXPECT_EQ(answer->body, row.body) << row.range;
        EXPECT_EQ(answer->field("content-length"), std::to_string(answer->body.size()));
    }
    EXPECT_EQ(fetch(site, "/empty.bin", {{"range", "bytes=0-"}})->status(), 200);
    auto head = fetch(site, "/a.bin", {{"range", "bytes=0-1"}}, Method::head);
    EXPECT_EQ(head->status(), 200);
    EXPECT_EQ(head->field("content-length"), "10");
}

TEST_F(SiteTest, answers_several_ranges_in_parts) {
    folder_.write("a.txt", "0123456789");
    Site site(options());
    for (uint64_t window : {uint64_t{1}, uint64_t{7}, uint64_t{1} << 20}) {
        auto answer = begin(site, "/a.txt", {{"range", "bytes=5-6, 0-1, -1"}});
        answer->window = window;
        answer->finish();
        EXPECT_EQ(answer->status(), 206);
        std::string type = answer->field("content-type");
        ASSERT_THAT(type, StartsWith("multipart/byteranges; boundary="));
        std::string line = "--" + type.substr(type.find('=') + 1);
        std::string part = "content-type: text/plain; charset=utf-8\r\ncontent-range: bytes ";
        EXPECT_EQ(answer->body, line + "\r\n" + part + "5-6/10\r\n\r\n56\r\n" + line + "\r\n" +
                                    part + "0-1/10\r\n\r\n01\r\n" + line + "\r\n" + part +
                                    "9-9/10\r\n\r\n9\r\n" + line + "--\r\n");
        EXPECT_EQ(answer->field("content-length"), std::to_string(answer->body.size()));
        EXPECT_EQ(answer->answer().length(), answer->body.size());
        EXPECT_EQ(answer->field("content-range"), "-");
    }
}

TEST_F(SiteTest, chooses_the_coding_a_client_prefers) {
    folder_.write("a.js", "plain");
    folder_.write("a.js.gz", "gzipped");
    folder_.write("a.js.br", "brotli!!");
    folder_.write("b.png", "png");
    folder_.write("b.png.gz", "never");
    Site site(options());
    struct Row {
        const char* accept;
        const char* body;
        const char* coding;
    };
    const Row rows[] = {
        {"gzip, deflate, br", "brotli!!", "br"},
        {"gzip", "gzipped", "gzip"},
        {"br;q=0.5, gzip;q=0.8", "gzipped", "gzip"},
        {"*", "brotli!!", "br"},
        {"gzip;q=0", "plain", "-"},
        {"identity, gzip;q=0.5", "plain", "-"},
        {"zstd", "plain", "-"},
        {"br;q=0, *", "gzipped", "gzip"},
        {"GZIP;Q=0.001", "gzipped", "gzip"},
    };
    std::vector<std::string> tags;
    for (const Row& row : rows) {
        auto answer = fetch(site, "/a.js", {{"accept-encoding", row.accept}});
        EXPECT_EQ(answer->body, row.body) << row.accept;
        EXPECT_EQ(answer->field("content-encoding"), row.coding) << row.accept;
        EXPECT_EQ(answer->field("vary"), "accept-encoding");
        EXPECT_EQ(answer->field("content-type"), "text/javascript; charset=utf-8");
    }
    auto plain = fetch(site, "/a.js");
    auto gzip = fetch(site, "/a.js", {{"accept-encoding", "gzip"}});
    EXPECT_EQ(plain->field("vary"), "accept-encoding");
    EXPECT_NE(plain->field("etag"), gzip->field("etag"));
    EXPECT_EQ(
        fetch(site, "/a.js", {{"accept-encoding", "gzip"}, {"if-none-match", gzip->field("etag")}})
            ->field("vary"),
        "accept-encoding");
    auto image = fetch(site, "/b.png", {{"accept-encoding", "gzip"}});
    EXPECT_EQ(image->body, "png");
    EXPECT_EQ(image->field("vary"), "-");
}

TEST_F(SiteTest, ignores_siblings_older_than_their_file) {
    folder_.write("a.js", "new");
    folder_.write("a.js.gz", "old");
    folder_.touch("a.js.gz", 784111777);
    Site site(options());
    EXPECT_EQ(fetch(site, "/a.js", {{"accept-encoding", "gzip"}})->body, "new");
}

TEST_F(SiteTest, a_version_range_is_a_base_of_its_own) {
    folder_.write("index.html", "<head></head>");
    folder_.write("docs/index.html", "docs");
    SiteOptions with = options();
    with.base = "/shop";
    with.inject_base = true;
    with.env_json = R"({"PUBLIC_X":"1"})";
    Site site(with);
    auto body = [&](std::string_view base, const char* target = "/deep/link") {
        return Fetch(*reactor_, *cache_, site, target, {}, Method::get, base).finish().body;
    };
    const std::string script = "<script>window.__env__={\"PUBLIC_X\":\"1\"};</script></head>";
    EXPECT_EQ(body("/shop"), "<head><base href=\"/shop/\">" + script);
    EXPECT_EQ(body("/shop@1.2"), "<head><base href=\"/shop@1.2/\">" + script);
    EXPECT_EQ(body("/shop@1.2", "/index.html"), body("/shop@1.2"));
    EXPECT_EQ(body({}), body("/shop"));
    EXPECT_EQ(body("/" + std::string(3000, 'x')), body("/shop"));
    Fetch moved(*reactor_, *cache_, site, "/docs?q", {}, Method::get, "/shop@1.2");
    EXPECT_EQ(moved.finish().field("location"), "/shop@1.2/docs/?q");
}

TEST_F(SiteTest, injects_into_the_entrypoint_once_per_version) {
    folder_.write("index.html", "<HTML><HEAD lang=en>\n<title>x</title></HEAD></HTML>");
    folder_.write("index.html.gz", "not this");
    folder_.write("other.html", "<head></head>");
    SiteOptions with = options();
    with.base = "/shop";
    with.inject_base = true;
    with.env_json = R"({"PUBLIC_URL":"</script><!--"})";
    Site site(with);
    std::string expected =
        "<HTML><HEAD lang=en><base href=\"/shop/\"><script>window.__env__={\"PUBLIC_URL\":"
        "\"\\u003c/script>\\u003c!--\"};</script>\n<title>x</title></HEAD></HTML>";
    for (const char* target : {"/", "/index.html", "/deep/link"}) {
        auto answer = fetch(site, target, {{"accept-encoding", "gzip"}});
        EXPECT_EQ(answer->body, expected) << target;
        EXPECT_EQ(answer->field("content-length"), std::to_string(expected.size()));
        EXPECT_EQ(answer->field("last-modified"), "-");
        EXPECT_EQ(answer->field("cache-control"), "no-cache");
    }
    EXPECT_EQ(cache_->counters().reads, 1U);
    EXPECT_EQ(fetch(site, "/other.html")->body, "<head></head>");
    std::string tag = fetch(site, "/")->field("etag");
    with.env_json = "{}";
    EXPECT_NE(fetch(Site(with), "/")->field("etag"), tag);
}

TEST_F(SiteTest, tells_caches_by_name_and_rule) {
    folder_.write("assets/index-BfI3k2Qz.js", "x");
    folder_.write("logo.svg", "x");
    folder_.write("fonts/a.woff2", "x");
    SiteOptions with = options();
    with.cache_rules = {{"/fonts/**", "public, max-age=600"}, {"/logo*", "bad\r\nx: y"}};
    Site site(with);
    EXPECT_EQ(fetch(site, "/assets/index-BfI3k2Qz.js")->field("cache-control"),
              "public, max-age=31536000, immutable");
    EXPECT_EQ(fetch(site, "/fonts/a.woff2")->field("cache-control"), "public, max-age=600");
    EXPECT_EQ(fetch(site, "/logo.svg")->field("cache-control"), "no-cache");
}

TEST_F(SiteTest, a_large_file_in_memory_is_for_the_kernel_to_send) {
    std::string bytes(limits::mapped_file_bytes_min + 1000, 'x');
    folder_.write("held.bin", bytes);
    folder_.write("less.bin", std::string(limits::mapped_file_bytes_min - 1, 'y'));
    Site site(options());
    for (int i = 0; i < 2; ++i) {
        auto answer = begin(site, "/held.bin");
        answer->file_bytes = UINT64_MAX;
        answer->finish();
        EXPECT_TRUE(answer->body == bytes);
        EXPECT_EQ(answer->sent_from_file, bytes.size());
    }
    // What is held is what was read, whatever becomes of the file.
    auto answer = begin(site, "/held.bin");
    answer->file_bytes = 5000;
    answer->pump(5000);
    folder_.write("held.bin", std::string(bytes.size(), 'z'));
    answer->finish();
    EXPECT_TRUE(answer->body == bytes);
    auto less = begin(site, "/less.bin");
    less->file_bytes = UINT64_MAX;
    less->finish();
    EXPECT_EQ(less->sent_from_file, 0U);
}

}  // namespace
}  // namespace ringtime::site
