// The record stream: order, batches, digest and its chain (MA 11).
#include "ticklab/sim/record_stream.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <vector>

#include "sim/machine_fixture.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::testing;

namespace {

constexpr RecordKind kBase{50000,
                           "test",
                           "base",
                           "test",
                           TimelineShape::kInstant,
                           {},
                           "a base record",
                           {{"a", OperandType::kUnsigned}, {"b", OperandType::kSigned}}};
constexpr RecordKind kObserver{50001,
                               "test",
                               "observer",
                               "test",
                               TimelineShape::kInstant,
                               {},
                               "an observer's record",
                               {},
                               {},
                               DigestClass::kObserver};

struct Emission {
    std::int64_t ahead_ps;  // how far the emitting CPU has run ahead of the engine
    CpuId cpu;
    std::uint64_t operand;
};

/// Emits as CPUs that run ahead do: each emission moves the engine on by one picosecond. Commits every `commit_every`.
Digest run(const std::vector<Emission>& emissions, std::size_t commit_every, RecordLog* log, bool causes) {
    RecordStream stream;
    if (log)
        stream.add_consumer(*log);
    std::vector<Emitter> emitters;
    for (CpuId c = 0; c < 4; ++c)
        emitters.push_back(Emitter{100 + c, c, 0});
    RecordId last;
    std::int64_t now = 0;
    for (const Emission& e : emissions) {
        const Time at = kBoot + Duration{now + e.ahead_ps};
        last = stream.emit(emitters[e.cpu], at, kBase, causes ? last : RecordId{}, e.operand, -1);
        if (static_cast<std::size_t>(++now) % commit_every == 0)
            stream.commit(kBoot + Duration{now - 1});
    }
    stream.commit(kNever);
    CHECK(stream.committed() == emissions.size());
    CHECK(stream.chain().size() == emissions.size() / RecordStream::kChunkRecords);
    return stream.digest();
}

rc::Gen<std::vector<Emission>> arbitrary_emissions() {
    return rc::gen::container<std::vector<Emission>>(rc::gen::construct<Emission>(
        rc::gen::inRange<std::int64_t>(0, 50), rc::gen::inRange<CpuId>(0, 4), rc::gen::arbitrary<std::uint64_t>()));
}

}  // namespace

TEST_CASE("MA 11.1: committed records are in order of time and, at one instant, of emission") {
    rc::check([] {
        const auto emissions = *arbitrary_emissions();
        const auto commit_every = *rc::gen::inRange<std::size_t>(1, 40);
        RecordLog log;
        run(emissions, commit_every, &log, true);

        struct Expected {
            std::int64_t at;
            std::uint64_t operand;
        };
        std::vector<Expected> expected;
        for (std::size_t i = 0; i < emissions.size(); ++i)
            expected.push_back({static_cast<std::int64_t>(i) + emissions[i].ahead_ps, emissions[i].operand});
        std::stable_sort(expected.begin(), expected.end(),
                         [](const Expected& a, const Expected& b) { return a.at < b.at; });
        RC_ASSERT(log.entries.size() == expected.size());
        for (std::size_t i = 0; i < expected.size(); ++i) {
            RC_ASSERT(ps(log.entries[i].at) == expected[i].at);
            RC_ASSERT(log.entries[i].operands[0] == expected[i].operand);
        }
    });
}

TEST_CASE("MA 11.2: the digest depends on neither batches nor consumers nor causes") {
    rc::check([] {
        const auto emissions = *arbitrary_emissions();
        const Digest plain = run(emissions, 1, nullptr, false);
        RecordLog log;
        RC_ASSERT(run(emissions, *rc::gen::inRange<std::size_t>(2, 60), &log, true) == plain);
    });
}

TEST_CASE("MA 11.2: the digest shows time, CPU, operands and order") {
    const std::vector<Emission> base{{0, 0, 1}, {0, 1, 2}, {0, 2, 3}};
    const Digest digest = run(base, 1, nullptr, false);
    for (const std::vector<Emission>& other : std::vector<std::vector<Emission>>{
             {{0, 0, 1}, {0, 1, 2}, {1, 2, 3}},
             {{0, 0, 1}, {0, 1, 2}, {0, 3, 3}},
             {{0, 0, 1}, {0, 1, 2}, {0, 2, 4}},
             {{1, 0, 1}, {0, 1, 2}, {0, 2, 3}},
             {{0, 0, 1}, {0, 1, 2}},
         })
        CHECK(run(other, 1, nullptr, false) != digest);
}

TEST_CASE("MA 11.2: an observer's records are seen by consumers and not by the digest") {
    const auto digest_with = [](bool observed, std::size_t expected_records) {
        RecordStream stream;
        RecordLog log;
        stream.add_consumer(log);
        Emitter cpu{7, 0, 0};
        Emitter observer{8, kNoCpu, 0};
        stream.emit(cpu, kBoot, kBase, {}, 1, 2);
        if (observed)
            stream.emit(observer, kBoot, kObserver, {});
        stream.emit(cpu, kBoot + 1ns, kBase, {}, 3, 4);
        stream.commit(kNever);
        CHECK(log.entries.size() == expected_records);
        return stream.digest();
    };
    CHECK(digest_with(true, 3) == digest_with(false, 2));
}

TEST_CASE("MA 11.1: nothing beyond the horizon is committed, and nothing is lost when it is later") {
    RecordStream stream;
    RecordLog log;
    stream.add_consumer(log);
    Emitter cpu{7, 0, 0};
    for (int i = 0; i < 10; ++i)
        stream.emit(cpu, kBoot + i * 1ns, kBase, {}, i, 0);
    stream.commit(kBoot + 4ns);
    CHECK(log.entries.size() == 5);
    stream.commit(kBoot + 4ns);
    CHECK(log.entries.size() == 5);
    stream.commit(kBoot + 9ns);
    REQUIRE(log.entries.size() == 10);
    CHECK(log.entries[9].operands[0] == 9);
}

TEST_CASE("each full chunk has a digest of its own in the chain, and a difference shows from its chunk on") {
    const auto chain_of = [](std::uint64_t odd_one) {
        RecordStream stream;
        Emitter cpu{7, 0, 0};
        for (std::uint64_t i = 0; i < 5 * RecordStream::kChunkRecords; ++i)
            stream.emit(cpu, kBoot + static_cast<std::int64_t>(i) * 1ns, kBase, {}, i == 2500 ? odd_one : i, 0);
        stream.commit(kNever);
        return stream.chain();
    };
    const auto a = chain_of(2500);
    const auto b = chain_of(7);
    REQUIRE(a.size() == 5);
    for (std::size_t i = 0; i < 5; ++i)
        CHECK((a[i] == b[i]) == (i < 2500 / RecordStream::kChunkRecords));
}

TEST_CASE("the first name of a machine is none of an object, so 0 can say that there is none (kNoObject)") {
    BootedMachine b;
    CHECK(b.machine.records().name(kNoObject) == "fixed");
    CHECK(b.machine.cpu(0).current().object() != kNoObject);
}
