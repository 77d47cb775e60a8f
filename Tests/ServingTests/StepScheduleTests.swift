import Serving
import Testing

@Suite struct StepScheduleTests {
    private let ids = (0..<8).map { JobID(rawValue: "\($0)") }

    private func turns(_ schedule: inout StepSchedule, _ count: Int) -> [String] {
        (0..<count).compactMap { _ in schedule.next()?.rawValue }
    }

    @Test func runsOfOneLane_takeTurns() {
        var schedule = StepSchedule()
        schedule.add(ids[0], to: .long)
        schedule.add(ids[1], to: .long)
        #expect(turns(&schedule, 4) == ["0", "1", "0", "1"])
    }

    @Test func shortLane_overtakesTheLongOne() {
        var schedule = StepSchedule()
        schedule.add(ids[0], to: .long)
        #expect(schedule.next() == ids[0])
        schedule.add(ids[1], to: .short)
        #expect(turns(&schedule, 3) == ["1", "1", "1"])
        schedule.remove(ids[1])
        #expect(schedule.next() == ids[0])
    }

    @Test func longLane_isNotStarved() {
        var limits = StepSchedule.Limits()
        limits.shortStepsInARow = 3
        var schedule = StepSchedule(limits: limits)
        schedule.add(ids[0], to: .long)
        schedule.add(ids[1], to: .short)
        #expect(turns(&schedule, 8) == ["1", "1", "1", "0", "1", "1", "1", "0"])
    }

    @Test func runsBeyondTheLimit_waitInOrder() {
        var limits = StepSchedule.Limits()
        limits.long = 1
        var schedule = StepSchedule(limits: limits)
        for id in ids.prefix(3) { schedule.add(id, to: .long) }
        #expect(turns(&schedule, 2) == ["0", "0"])
        schedule.remove(ids[1])
        schedule.remove(ids[0])
        #expect(turns(&schedule, 2) == ["2", "2"])
    }

    @Test func movedRun_goesToTheEndOfTheOtherLane() {
        var schedule = StepSchedule()
        schedule.add(ids[0], to: .long)
        schedule.add(ids[1], to: .short)
        schedule.move(ids[1], to: .short)
        #expect(turns(&schedule, 2) == ["1", "1"])
        schedule.move(ids[1], to: .long)
        #expect(turns(&schedule, 4) == ["0", "1", "0", "1"])
        schedule.move(ids[1], to: .short)
        #expect(turns(&schedule, 2) == ["1", "1"])
    }

    @Test func emptySchedule_hasNoTurn() {
        var schedule = StepSchedule()
        #expect(schedule.next() == nil)
        schedule.add(ids[0], to: .short)
        schedule.remove(ids[0])
        #expect(schedule.next() == nil)
    }
}
