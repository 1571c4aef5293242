// Operands in words (lab/operands.hpp) and in timelines.
#include "ticklab/lab/operands.hpp"

#include "lab/timeline_fixture.hpp"

namespace ticklab::lab::testing {

TEST_CASE("timeline: no object is told as none, not by the machine's first name (kNoObject)") {
    Recorder r(cpus(1));
    const std::uint64_t timer = r.name("t");
    REQUIRE(timer != sim::kNoObject);
    r.at(1, kArm, 0, {timer, 5000});
    r.at(2, kExpireIn, 0, {sim::kNoObject});
    r.at(3, kExpireOut, 0, {sim::kNoObject});
    const ReadTimeline read = read_sound(r.finish(4));
    CHECK(read.named("timer expire")[0]->fields["args"]["timer"] == "none");
    CHECK(read.named("timer pending")[0]->fields["args"]["timer"] == "t");
    const sim::RecordStream names;
    CHECK(operand_text(OperandType::kObject, sim::kNoObject, names) == "none");
}

}  // namespace ticklab::lab::testing
