// The model against recorded kernels: groups as built at boot, and every event of the hierarchy from the same inputs.
//
// TICKLAB_RECORDED_KERNEL=FILE replays another recording than those of tests/data and shows where the two differ.
#include <cstdlib>

#include "linux/tmigr_replay.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::tmigr;
using namespace ticklab::linux_::tmigr::testing;

namespace {

/// The stable release 6.12.107 has fixes that came after 6.12: its first root counts two children and has mask 1.
TmigrChanges changes_of(const RecordedKernel& k) {
    if (k.version.starts_with("6.12."))
        return changes_without({}, "6.12", {"TMIGR-09", "TMIGR-10", "TMIGR-11", "TMM 9.6"});
    return changes_without({}, "7.2");
}

void show(std::string_view part, const Replay::Result& r, std::size_t most) {
    MESSAGE(part << ": " << r.matched << " of " << r.events << " events match; older jiffies " << r.older_jiffies
                 << ", next events from the wheel " << r.silent_next << ", reordered " << r.reordered);
    for (std::size_t i = 0; i < std::min(r.mismatches.size(), most); ++i)
        MESSAGE(r.mismatches[i].index << ": " << r.mismatches[i].recorded
                                      << "\n   model: " << r.mismatches[i].modelled);
}

}  // namespace

TEST_CASE("from the inputs of recorded kernels the model makes their events, field by field (TMM 17)") {
    struct Row {
        const char* file;
        std::size_t boot, trace, trace_matched;
    };
    // 7.2: two wake-ups differ because CPU 1's wheel names an instant for which it has no timer (the expiry at that
    // instant runs none); timer events do not show what a wheel remembers.
    for (const Row& row :
         {Row{"linux612-icount-smp4-notests", 294, 5424, 5424}, Row{"linux72-icount-smp4", 763, 5823, 5821}}) {
        CAPTURE(row.file);
        const RecordedKernel k = linux_::testing::read_recorded_kernel(
            fmt::format("{}/tests/data/recorded-kernels/{}.txt.gz", TICKLAB_SOURCE_DIR, row.file));
        const Geometry g = Geometry::of(k.cpus, k.nodes);
        CHECK(k.levels_message ==
              fmt::format("Timer migration: {} hierarchy levels; {} children per group; {} crossnode level", g.levels(),
                          g.children, g.crossnode()));
        Replay replay(k, changes_of(k));
        const Replay::Result boot = replay.boot();
        CHECK(boot.events == row.boot);
        CHECK(boot.matched == row.boot);
        const Replay::Result trace = replay.main_trace();
        CHECK(trace.events == row.trace);
        CHECK(trace.matched == row.trace_matched);
        if (trace.matched != row.trace_matched || boot.matched != row.boot) {
            show("boot", boot, 10);
            show("trace", trace, 10);
        }
    }
}

TEST_CASE("a recorded kernel without the fixes that it has does not match: the comparison sees them") {
    const RecordedKernel k = linux_::testing::read_recorded_kernel(
        TICKLAB_SOURCE_DIR "/tests/data/recorded-kernels/linux72-icount-smp4.txt.gz");
    Replay replay(k, changes_without({"TMIGR-02"}, "7.2"));
    const Replay::Result boot = replay.boot();
    CHECK(boot.matched < boot.events);
}

TEST_CASE("replay of the recording that TICKLAB_RECORDED_KERNEL names" *
          doctest::skip(std::getenv("TICKLAB_RECORDED_KERNEL") == nullptr)) {
    const RecordedKernel k = linux_::testing::read_recorded_kernel(std::getenv("TICKLAB_RECORDED_KERNEL"));
    MESSAGE(k.version << ", " << k.cpus << " CPUs, " << k.nodes << " nodes: " << k.levels_message);
    Replay replay(k, changes_of(k));
    show("boot", replay.boot(), 20);
    show("trace", replay.main_trace(), 20);
}
