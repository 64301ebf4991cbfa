"""The smallest configuration that has a warehouse and a shop, neither of which is there."""


def warehouse_and_shop(bootstrap: str, warehouse: str, shop: str, *, shop_url: str = "https://shop.example", kafka: str = "") -> str:
    """As TOML: `kafka` are more lines of `[kafka]`, and what follows the text goes on in the shop's section.

    All secrets are in the environment's `ANY_SECRET`.
    """
    secret = '{env = "ANY_SECRET"}'
    return f"""
        [kafka]
        bootstrap = "{bootstrap}"
        {kafka}
        [connections.{warehouse}]
        system = "thetis"
        api_url = "http://127.0.0.1:1/2"
        auth_url = "http://127.0.0.1:1"
        api_key = {secret}
        client_id = {secret}
        client_secret = {secret}
        webhook_secret = {secret}
        [connections.{shop}]
        system = "shop"
        webhook_url = "{shop_url}"
        webhook_secret = {secret}
        """
