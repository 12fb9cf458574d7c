// The mini program. It keeps the ticket of the group from whose card somebody came.

App({
    globalData: { shareTicket: null },

    // Runs at the start, and again on return from a group's card of a live room. A backend turns the ticket into the
    // group's openGId: `wx.getShareInfo({ shareTicket })` gives it the encrypted data.
    onShow(options = {}) {
        this.globalData.shareTicket = options.shareTicket || null;
    },
});
